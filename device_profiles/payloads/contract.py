"""What a payload codec is: the bytes a device sends in, its named values out. Pure, no state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from telemetry.named import Named


class PayloadError(ValueError):
    """Bytes that are no payload of this kind; `reason` is one of a few fixed words, such as "truncated"."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Context(NamedTuple):
    """What a codec may need besides the bytes.

    address: the Bluetooth address as "AA:BB:CC:DD:EE:FF", where there is one. key: the device's bind
    key. port: the LoRaWAN port.
    """

    address: str = ""
    key: bytes | None = None
    port: int = 0


NO_CONTEXT = Context()


class Found(dict[str, Named]):
    """A codec's values, and the reasons for which parts of the payload gave none."""

    def __init__(self) -> None:
        super().__init__()
        self.refused: list[str] = []


PayloadCodec = Callable[[bytes, Context], Mapping[str, Named]]
"""Named values in natural units; `Named.value` None where the device says that there is none.

A name may have a number, such as temperature_2, where a payload holds several. Raises PayloadError.
"""
