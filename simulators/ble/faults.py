"""What can go wrong with a simulated Bluetooth device; every setting may be changed while it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

Key = TypeVar("Key")


@dataclass
class Faults:
    """silent: it neither advertises nor takes a connection. latency_s: it answers so much later.
    corrupt: one byte of everything it sends is wrong. duplicate: every report comes twice.
    gatt_error: it refuses reads and writes with this ATT error code. mute: its link stands, but
    nothing is notified. drop_after_s: it ends every connection so long after it began.
    """

    silent: bool = False
    latency_s: float = 0.0
    corrupt: bool = False
    duplicate: bool = False
    gatt_error: int | None = None
    mute: bool = False
    drop_after_s: float | None = None

    def spoil(self, data: bytes) -> bytes:
        """The data as it goes out."""
        if not self.corrupt or not data:
            return data
        at = len(data) // 2
        return data[:at] + bytes((data[at] ^ 0x55,)) + data[at + 1 :]

    def spoil_all(self, parts: Mapping[Key, bytes]) -> dict[Key, bytes]:
        return {key: self.spoil(data) for key, data in parts.items()}
