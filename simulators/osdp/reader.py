"""A simulated card reader: libosdp's peripheral device on a simulated serial line."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import osdp_sys

from firmware_bridges.cards import to_wiegand
from simulators.serial.line import SerialLine

REFRESH_S: Final = 0.01
HEARD_BYTES_MAX: Final = 4_096


class SimulatedReader:
    """A reader with a key of 16 bytes, or with none: then it has no secure channel to offer.

    silent: it does not answer. Several readers may share a line, each with its address.
    """

    def __init__(self, address: int, key: bytes | None) -> None:
        self.address = address
        self.key = key
        self.silent = False
        self.restarts = 0
        self._line: SerialLine | None = None
        self._heard = bytearray()
        self._device: Any = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_secure(self) -> bool:
        return self._device is not None and bool(self._device.is_sc_active())

    def attach(self, line: SerialLine) -> None:
        """Puts the reader on a line, switched on."""
        self._line = line
        line.listen(self._hear)
        self.switch_on()

    def switch_on(self) -> None:
        if self._device is not None:
            return
        osdp_sys.set_loglevel(osdp_sys.LOG_EMERG)
        self._heard.clear()
        info = {
            "name": f"simulated-{self.address}",
            "address": self.address,
            "flags": 0 if self.key is None else osdp_sys.FLAG_ENFORCE_SECURE,
            "scbk": self.key,
            "channel": self,
            "version": 1,
            "model": 1,
            "vendor_code": 0,
            "serial_number": self.address,
            "firmware_version": 1,
        }
        capabilities = [
            {"function_code": osdp_sys.CAP_COMMUNICATION_SECURITY, "compliance_level": 1, "num_items": 1},
            {"function_code": osdp_sys.CAP_CARD_DATA_FORMAT, "compliance_level": 1, "num_items": 1},
        ]
        self._device = osdp_sys.PeripheralDevice(info, capabilities=capabilities)
        self._device.set_command_callback(_obey)
        self._step()

    def switch_off(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._device = None

    def restart(self) -> None:
        """Loses its supply for a moment; what stood between it and its panel is gone."""
        self.restarts += 1
        self.switch_off()
        self.switch_on()

    def hold_card(self, card: bytes, *, wiegand_bits: int | None = None) -> None:
        """A card comes to the reader, which tells its bytes, or 26 or 34 bits of them with parity."""
        if self._device is None:
            return
        bits, data = 8 * len(card), card
        if wiegand_bits is not None:
            text = to_wiegand(card, wiegand_bits)
            bits, size = wiegand_bits, (wiegand_bits + 7) // 8
            data = int(text.ljust(8 * size, "0"), 2).to_bytes(size, "big")
        event = {
            "event": osdp_sys.EVENT_CARDREAD,
            "reader_no": 0,
            "direction": 0,
            "format": osdp_sys.CARD_FMT_RAW_UNSPECIFIED
            if wiegand_bits is None
            else osdp_sys.CARD_FMT_RAW_WIEGAND,
            "length": bits,
            "data": data,
        }
        self._device.submit_event(event)

    @property
    def id(self) -> int:
        """Libosdp tells lines apart by it."""
        return self.address

    def read(self, count: int) -> bytes:
        """For libosdp: what was heard."""
        data = bytes(self._heard[:count])
        del self._heard[:count]
        return data

    def write(self, data: bytes) -> int:
        """For libosdp: puts bytes onto the line."""
        if self._line is not None and not self.silent:
            self._line.send(data)
        return len(data)

    def flush(self) -> None:
        """For libosdp: forgets what was heard."""
        self._heard.clear()

    def _hear(self, data: bytes) -> None:
        self._heard += data
        del self._heard[:-HEARD_BYTES_MAX]

    def _step(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(REFRESH_S, self._step)
        self._device.refresh()


def _obey(command: dict[str, Any]) -> tuple[int, None]:
    """Lamps and buzzer: there are none."""
    del command
    return 0, None
