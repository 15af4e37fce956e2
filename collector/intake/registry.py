"""Who may send: the registered gateways, looked up by the key id of an envelope."""

from __future__ import annotations

import asyncio
import time
from typing import Final

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from collector.records import Gateway, Records
from foundation.keyfiles import parse_public
from foundation.logs import FirstOnly

REFRESH_S: Final = 1.5
"""A gateway added or revoked by command works or stops working within two seconds."""

log = structlog.get_logger()


class Registry:
    """The registered gateways in memory, read again every `REFRESH_S` however many messages come."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._rows: list[Gateway] = []
        self._by_key: dict[bytes, tuple[Gateway, Ed25519PublicKey]] = {}
        self._read_s = float("-inf")
        self._reading = asyncio.Lock()
        self._reported = FirstOnly()

    @property
    def was_read(self) -> bool:
        return self._read_s > float("-inf")

    async def refresh(self) -> None:
        """Raises RecordsUnavailableError; then what was known stays known."""
        async with self._reading:
            if time.monotonic() - self._read_s < REFRESH_S:
                return
            rows = await self._records.gateways()
            if rows != self._rows:
                self._rows, self._by_key = rows, self._keys(rows)
            self._read_s = time.monotonic()

    def _keys(self, rows: list[Gateway]) -> dict[bytes, tuple[Gateway, Ed25519PublicKey]]:
        found = {}
        for gateway in rows:
            try:
                found[bytes.fromhex(gateway.key_id)] = (gateway, parse_public(gateway.public_key))
            except ValueError:
                if self._reported.first((gateway.school, gateway.id)):
                    log.error(
                        "registered key unreadable, gateway refused",
                        school=gateway.school,
                        gateway=gateway.id,
                    )
        return found

    def find(self, key_id: bytes) -> tuple[Gateway, Ed25519PublicKey] | None:
        """The gateway with this key id, revoked ones included, as of the last refresh."""
        return self._by_key.get(key_id)
