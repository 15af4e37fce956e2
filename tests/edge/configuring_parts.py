"""A collector that configures gateways, for tests: its versions, its offers, and what a gateway is told."""

from __future__ import annotations

import tomllib
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge_agent.config import GatewayConfig, load_config
from foundation.keyfiles import create_signing_key, public_text
from telemetry.configuration import FORMAT, Offer, difference, digest, encode_offer, split
from telemetry.envelope import Envelope, Kind, Signer, open_envelope
from tests.edge.edge_parts import GATEWAY, NOW_MS, SCHOOL

PROFILES = Path(__file__).parents[1] / "modbus" / "profiles"


def sections(text: str) -> dict[str, str]:
    """Of a configuration as a person writes it at the collector."""
    return split(tomllib.loads(text))


def bus(name: str, port: int = 1, *units: int, interval_s: float = 0.1, model: str = "climate") -> str:
    """A source of Modbus units behind a TCP host."""
    devices = ", ".join(
        f'{{ id = "{name}-{unit}", profile = "test/{model}", place = "main/301", unit = {unit}, '
        f"interval_s = {interval_s} }}"
        for unit in units or (1,)
    )
    return (
        f'[[modbus]]\nname = "{name}"\ntcp = {{ host = "127.0.0.1", port = {port} }}\ntimeout_s = 0.5\n'
        f"devices = [{devices}]\n"
    )


def write_gateway(folder: Path, collector: Signer, tables: str = "", *, broker_port: int = 1) -> Path:
    """A gateway's own files. tables: what gateway.toml says besides."""
    if not (folder / "gateway.key").exists():
        create_signing_key(folder / "gateway.key")
    file = folder / "gateway.toml"
    file.write_text(
        f'profile_dirs = ["{PROFILES}"]\n[gateway]\nid = "{GATEWAY}"\nschool = "{SCHOOL}"\n'
        f'key_file = "gateway.key"\ndata_dir = "data"\nclock = "system"\n'
        f'[collector]\npublic_key = "{public_text(collector.public_key)}"\n'
        f'mqtt = {{ host = "127.0.0.1", port = {broker_port} }}\n{tables}',
        "utf-8",
    )
    return file


def local_config(folder: Path, tables: str = "", **settings: int) -> GatewayConfig:
    return load_config(write_gateway(folder, CollectorDouble().signer, tables, **settings))


class CollectorDouble:
    """Keeps every version; makes offers from any to any."""

    def __init__(self) -> None:
        self.signer = Signer(Ed25519PrivateKey.generate())
        self.versions: dict[int, dict[str, str]] = {0: {}}

    @property
    def newest(self) -> int:
        return max(self.versions)

    def make(self, text: str) -> int:
        """A new version; its number."""
        return self.put(sections(text))

    def put(self, wanted: dict[str, str]) -> int:
        number = self.newest + 1
        self.versions[number] = wanted
        return number

    def offer(self, version: int, base: int = 0) -> Offer:
        before, after = self.versions[base], self.versions[version]
        changed, removed = difference(before, after)
        return Offer(
            FORMAT, SCHOOL, GATEWAY, version, NOW_MS, digest(before), changed, removed, digest(after)
        )  # fmt: skip

    def wrap(self, offer: Offer) -> bytes:
        return self.signer.wrap(Kind.CONFIGURATION, encode_offer(offer))

    def envelope(self, version: int, base: int = 0) -> Envelope:
        return open_envelope(self.wrap(self.offer(version, base)))
