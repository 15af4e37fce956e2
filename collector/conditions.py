"""How the collector's parts are: the last outcome of each, for /healthz and for one line in the log."""

from __future__ import annotations

import structlog

OK = "ok"

log = structlog.get_logger()


class Conditions:
    """A part is well until it says otherwise. Trouble is logged when it begins and when it ends."""

    def __init__(self, *parts: str) -> None:
        self._state = dict.fromkeys(parts, OK)

    def well(self, part: str) -> None:
        if self._state.get(part, OK) != OK:
            log.info("available again", part=part)
        self._state[part] = OK

    def trouble(self, part: str, what: str) -> None:
        """`what` in a few words, for an operator; nothing of a payload."""
        if self._state.get(part, OK) == OK:
            log.error("not available, batches stay at the gateways", part=part, error=what)
        self._state[part] = what

    def as_dict(self) -> dict[str, str]:
        return dict(self._state)
