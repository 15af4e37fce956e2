"""Makes the parts of the personal lane from a configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from device_profiles.registry import Catalogue
from edge_agent.identity.map_file import MapFile
from edge_agent.identity.puller import Puller
from edge_agent.identity.vault_link import VaultLink
from foundation.httppost import HttpPost, parse_target
from foundation.keyfiles import parse_public
from telemetry.envelope import Signer
from telemetry.exchange import ANSWER_BYTES_MAX
from telemetry.worn import is_worn

if TYPE_CHECKING:
    from edge_agent.buffer.contract import Buffer
    from edge_agent.clock import Clock
    from edge_agent.config import GatewayConfig, PersonalSection
    from edge_agent.counters import Counters
    from edge_agent.identity.carriers import Carriers
    from edge_agent.identity.credentials import Credentials

_ENVELOPE_BYTES_MAX = 4 * 1024
"""What seal and envelope add to an answer, and more."""


def add_configured(carriers: Carriers, config: GatewayConfig, catalogue: Catalogue) -> None:
    """The configured Bluetooth devices that people wear."""
    for source in config.ble:
        for device in source.devices:
            if is_worn(row.quantity for row in catalogue.get(device.profile).spec.fields):
                carriers.add(device.id, device.address)


def make_link(config: GatewayConfig, personal: PersonalSection, signer: Signer) -> VaultLink:
    """The way to the vault."""
    post = HttpPost(
        parse_target(personal.vault),
        answer_bytes_max=ANSWER_BYTES_MAX + _ENVELOPE_BYTES_MAX,
        ca_file=personal.ca_file,
    )
    return VaultLink(
        post,
        school=config.gateway.school,
        gateway=config.gateway.id,
        signer=signer,
        vault_key=parse_public(personal.vault_public_key),
    )


def make_map_file(config: GatewayConfig, private_key: Ed25519PrivateKey) -> MapFile:
    gateway = config.gateway
    return MapFile(gateway.data_dir, private_key, gateway.school, gateway.id)


def make_puller(
    config: GatewayConfig,
    personal: PersonalSection,
    private_key: Ed25519PrivateKey,
    *,
    credentials: Credentials,
    buffer: Buffer,
    clock: Clock,
    counters: Counters,
) -> Puller:
    """The puller with the map of the last run taken into use."""
    puller = Puller(
        make_link(config, personal, Signer(private_key)),
        make_map_file(config, private_key),
        credentials,
        buffer,
        clock,
        counters,
        refresh_s=personal.refresh_s,
    )
    puller.load()
    return puller
