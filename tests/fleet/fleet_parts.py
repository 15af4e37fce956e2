"""A gateway's half of remote configuration in small, and versions to offer it."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from collector.intake.contract import Incoming
from collector.records import Records, configurations
from collector.records.configurations import Version
from telemetry.configuration import Offer, Running, apply, decode_offer, digest, split
from telemetry.envelope import Kind, open_envelope, verify
from telemetry.status import Status, decode_status
from telemetry.topics import Address
from tests.collector.conftest import NOW_MS, Sender

Sections = dict[str, str]


def modbus(*names: str, interval_s: float = 10, **tables: object) -> Sections:
    """Sections of buses with one device each, and of further tables."""
    buses = [
        {
            "name": name,
            "tcp": {"host": "192.0.2.1"},
            "devices": [
                {
                    "id": f"air-{name}",
                    "profile": "renke/rs-ws-n01",
                    "place": f"main/{name}",
                    "unit": 1,
                    "interval_s": interval_s,
                }
            ],
        }
        for name in names
    ]
    return split({"modbus": buses, **tables} if buses else tables)


def make_version(records: Records, key: tuple[str, str], sections: Sections, note: str = "") -> Version:
    made, _ = records.run_now(
        lambda connection: configurations.make(
            connection, key, sections, note=note, by="console", at_ms=NOW_MS
        )
    )
    return made


class Double:
    """Takes offers under the collector's key and says with its status what it runs.

    `refuse`: versions that it cannot apply. `deaf`: offers do not reach it.
    """

    def __init__(self, gateway: str, collector_key: Ed25519PublicKey | None = None) -> None:
        self.sender = Sender(gateway)
        self.key = (self.sender.school, gateway)
        self.collector_key = collector_key
        self.sections: Sections = {}
        self.running = Running(0, "")
        self.offers: list[Offer] = []
        self.refuse: set[int] = set()
        self.deaf = False
        self.said: Status | None = None
        self._said_ms = NOW_MS

    def status(self) -> Incoming:
        self._said_ms += 1
        message = self.sender.status(time_ms=self._said_ms, configuration=self.running)
        self.said = decode_status(open_envelope(message.data).payload)
        return message

    async def answer(self, address: Address, data: bytes) -> None:
        assert address == Address(*self.key, "config")
        self.hear(data)

    def hear(self, data: bytes) -> None:
        if self.deaf:
            return
        envelope = open_envelope(data)
        assert envelope.kind is Kind.CONFIGURATION
        assert self.collector_key is not None
        offer = decode_offer(verify(envelope, self.collector_key))
        assert (offer.school, offer.gateway) == self.key
        self.offers.append(offer)
        if offer.version in self.refuse:
            self.running = Running(
                self.running.version, digest(self.sections), offer.version, "modbus/301: unit 300 is none"
            )
            return
        self.sections = apply(self.sections, offer)
        self.running = Running(offer.version, offer.digest)
