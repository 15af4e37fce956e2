"""What `campus edge check` says of the vault and of the map on the disk. Changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from edge_agent.identity.credentials import Credentials, MapUnusableError
from edge_agent.identity.map_file import MapFileError
from edge_agent.identity.parts import make_link, make_map_file
from edge_agent.identity.vault_link import ONLY_CHANGES, VaultError
from foundation.keyfiles import load_signing_key
from telemetry.credential_map import MapUpdate
from telemetry.envelope import Signer

if TYPE_CHECKING:
    from edge_agent.clock import Clock
    from edge_agent.config import GatewayConfig, PersonalSection


class Look(NamedTuple):
    """A line of the report."""

    what: str
    text: str
    ok: bool


async def look_at_vault(config: GatewayConfig, personal: PersonalSection) -> Look:
    """Asks for the whole map, so that nothing is confirmed, and looks whether it can be used."""
    link = make_link(config, personal, Signer(load_signing_key(config.gateway.key_file)))
    try:
        found = await link.ask(0)
    except VaultError as error:
        return Look("vault", str(error), ok=False)
    if isinstance(found, MapUpdate):
        return Look("vault", ONLY_CHANGES, ok=False)
    return Look("vault", f"{personal.vault} answers, with version {found.version} of the map", ok=True)


def look_at_map(config: GatewayConfig, personal: PersonalSection, clock: Clock) -> Look:
    """The map that the gateway would begin with."""
    map_file = make_map_file(config, load_signing_key(config.gateway.key_file))
    credentials = Credentials(age_days_max=personal.age_days_max, clock_known=lambda: clock.known)
    try:
        credentials.map = map_file.read()
        if credentials.map is None:
            return Look("cards", "no credential map yet; the gateway gets it when it runs", ok=True)
        return Look("cards", credentials.describe(clock.now_ms()), ok=True)
    except (MapFileError, MapUnusableError) as error:
        return Look("cards", f"{error}; until there is a newer one everybody is anonymous", ok=False)
