"""Who may send: the registered gateways, looked up by the key id of an envelope."""

from __future__ import annotations

import time
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from collector.records import Gateway, Records
from foundation.keyfiles import parse_public

REFRESH_S: Final = 2.0
"""A gateway added or revoked by command works or stops working within this time."""


class Registry:
    """The registered gateways in memory, read again every `REFRESH_S`."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._by_key: dict[bytes, tuple[Gateway, Ed25519PublicKey]] = {}
        self._read_s = float("-inf")

    async def refresh(self) -> None:
        now_s = time.monotonic()
        if now_s - self._read_s < REFRESH_S:
            return
        self._by_key = {
            bytes.fromhex(gateway.key_id): (gateway, parse_public(gateway.public_key))
            for gateway in await self._records.gateways()
        }
        self._read_s = now_s

    def find(self, key_id: bytes) -> tuple[Gateway, Ed25519PublicKey] | None:
        """The gateway with this key id, revoked ones included, as of the last refresh."""
        return self._by_key.get(key_id)
