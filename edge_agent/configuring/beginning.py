"""With which configuration a gateway begins: the version it ran last, also without any network."""

from __future__ import annotations

from typing import NamedTuple

import structlog

from edge_agent.config import GatewayConfig
from edge_agent.configuring.kept import STARTS_MAX, Kept, KeptFile, KeptFileError
from edge_agent.configuring.overlay import overlay
from edge_agent.configuring.refusal import RefusedError

log = structlog.get_logger()


class Beginning(NamedTuple):
    """config: what is in force. refused: the version that should be and is not, and why.

    kept: as on the disk, but for what cannot be used, which is left out; the next version writes over it.
    """

    config: GatewayConfig
    kept: Kept
    refused: tuple[int, str] | None = None


def begin(local: GatewayConfig, file: KeptFile, *, look_only: bool = False) -> Beginning:
    """Whatever is wrong, the gateway begins: with gateway.toml alone in the worst case.

    look_only: somebody wants to know, and no gateway is about to run; nothing is written.
    """
    try:
        kept = file.read()
    except KeptFileError as error:
        aside = file.path if look_only else file.put_aside()
        words = f"what was kept of it on the gateway cannot be used and lies in {aside.name}: {error}"
        return Beginning(local, Kept(), (0, words))
    if not look_only:
        kept = _counted(kept, file)
    try:
        return Beginning(overlay(local, kept.used.sections), kept)
    except RefusedError as error:
        if kept.on_probation and not look_only:
            _keep(kept.forgive(), file)
        refused = (kept.used.version, f"it no longer fits gateway.toml: {error}")
        return Beginning(local, Kept(newest=kept.newest), refused)


def tell(beginning: Beginning) -> None:
    """Says in the log which configuration the gateway begins with."""
    used = beginning.kept.used
    if beginning.refused:
        version, reason = beginning.refused
        log.error(
            "the collector's configuration cannot be used; gateway.toml runs", version=version, reason=reason
        )
    elif used.version:
        log.info("configuration of the collector", version=used.version, sections=len(used.sections))


def _counted(kept: Kept, file: KeptFile) -> Kept:
    """A version on probation with which the gateway ends again and again is left."""
    if not kept.on_probation:
        return kept
    kept = kept.begin_again()
    if kept.has_begun_too_often:
        kept = kept.go_back(
            f"the gateway began {STARTS_MAX} times with it and did not stay up; its log has the reason"
        )
        log.error("back to the configuration before", version=kept.used.version, refused=kept.refused)
    _keep(kept, file)
    return kept


def _keep(kept: Kept, file: KeptFile) -> None:
    try:
        file.write(kept)
    except KeptFileError as error:
        log.error("cannot be counted how often the gateway begins", error=str(error))
