"""Takes the fields of a Bluetooth SIG characteristic one after another, as its flags say."""

from __future__ import annotations

from device_profiles.payloads.contract import PayloadError


class Fields:
    """The bytes of a value after its flags. Numbers stand least significant byte first."""

    def __init__(self, data: bytes, flag_bytes: int = 1) -> None:
        """Raises PayloadError where not even the flags are there."""
        if len(data) < flag_bytes:
            raise PayloadError("truncated")
        self.flags = int.from_bytes(data[:flag_bytes], "little")
        self._data = data
        self._at = flag_bytes

    def has(self, bit: int) -> bool:
        """Whether a flag is set, by its number."""
        return bool(self.flags >> bit & 1)

    def take(self, size: int) -> bytes:
        """The next bytes. Raises PayloadError where there are fewer."""
        end = self._at + size
        if end > len(self._data):
            raise PayloadError("truncated")
        part = self._data[self._at : end]
        self._at = end
        return part

    def number(self, size: int) -> int:
        """The next unsigned number. Raises PayloadError."""
        return int.from_bytes(self.take(size), "little")

    def optional(self, bit: int, size: int) -> int | None:
        """The next number where a flag says that there is one and its bytes are all there. Some devices
        set the flag of fields that did not fit.
        """
        if not self.has(bit) or len(self._data) - self._at < size:
            return None
        return self.number(size)

    def rest(self) -> bytes:
        """All that has not been taken."""
        return self._data[self._at :]

    def moment(self) -> str | None:
        """The next 7 bytes as date and time without a zone, None where the device knows none."""
        if len(self.rest()) < 7:
            return None
        year = self.number(2)
        month, day, hour, minute, second = self.take(5)
        known = year and 1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 60
        return f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}" if known else None
