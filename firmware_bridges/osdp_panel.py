"""Control panel of OSDP card readers (IEC 60839-11-5), on libosdp: secure channel or nothing.

Without a secure channel a reader sends the card's number in clear text over the wire; so a reader
without a key of its own is refused, and the standard's default key, which everybody knows, too. The
panel is driven by calling `refresh`; it has no thread, and never waits.

libosdp gives a reader up that was restarted, or that answers with another key; here it is taken up
again after a pause that grows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, Protocol

import osdp_sys

from firmware_bridges.cards import parse_wiegand
from firmware_bridges.frames.osdp import PACKET_BYTES_MIN, REPLY, START
from firmware_bridges.osdp_keys import ADDRESS_MAX, check_key
from foundation.backoff import Backoff

REFRESH_S: Final = 0.02
"""How often `refresh` wants to be called: a reader is polled each 50 ms, an answer is due in 200."""
PACKET_BYTES_MAX: Final = 256
"""A reader announces at most so many to libosdp."""
BITS_MAX: Final = 128
WIEGAND_BITS: Final = frozenset({26, 34})
_ASCII: Final = 2
_RETRY_FIRST_S: Final = 0.5
_RETRY_MAX_S: Final = 15.0


class Wire(Protocol):
    """The bytes of the port. Neither call waits; `write` says how many bytes it took."""

    def read(self, count: int) -> bytes: ...

    def write(self, data: bytes) -> int: ...


class ReaderSettings(NamedTuple):
    """A reader's address on the line, and the key that it and nobody else shares with the panel."""

    address: int
    key: bytes

    def __repr__(self) -> str:
        return f"ReaderSettings(address={self.address}, …)"


class CardRead(NamedTuple):
    """A card at a reader. `credential` is hexadecimal. Lives in memory only."""

    address: int
    credential: str

    def __repr__(self) -> str:
        return f"CardRead(address={self.address}, …)"


class Reader:
    """How a reader fares. `secure`: the secure channel stands, its cards are read. `lost` counts how
    often it did no longer; `refused` how often the reader answered but no secure channel came about;
    `bad_cards` reads that are no card.
    """

    def __init__(self, address: int) -> None:
        self.address = address
        self.secure = False
        self.lost = 0
        self.refused = 0
        self.retries = 0
        self.bad_cards: Counter[str] = Counter()
        self.backoff = Backoff(_RETRY_FIRST_S, _RETRY_MAX_S)
        self.given_up = False
        """libosdp does not try this reader any more."""
        self.enabling = False
        self.retry_s: float | None = None


class Panel:
    """The panel of one line. `card` is called with each card within `refresh`.

    Raises ValueError for a reader without a usable key or address. `now_s` is monotonic, in seconds.
    """

    def __init__(
        self,
        readers: Sequence[ReaderSettings],
        wire: Wire,
        *,
        card: Callable[[CardRead], None],
        now_s: Callable[[], float],
    ) -> None:
        if not readers:
            raise ValueError("a panel needs a reader")
        for one in readers:
            check_key(one.key)
            if not 0 <= one.address <= ADDRESS_MAX:
                raise ValueError(f"a reader's address is 0 to {ADDRESS_MAX}")
        if len({one.address for one in readers}) < len(readers):
            raise ValueError("two readers of a line cannot have the same address")
        self.readers = [Reader(one.address) for one in readers]
        self._card = card
        self._now_s = now_s
        # libosdp writes to standard output on its own; what matters is counted here.
        osdp_sys.set_loglevel(osdp_sys.LOG_EMERG)
        channel = _Channel(wire)
        flags = osdp_sys.FLAG_ENFORCE_SECURE | osdp_sys.FLAG_ENABLE_NOTIFICATION
        self._context = osdp_sys.ControlPanel([_info(one, channel, flags) for one in readers])
        self._context.set_event_callback(self._event)

    def refresh(self) -> None:
        """Does what is due: to be called each REFRESH_S."""
        now_s = self._now_s()
        for number, reader in enumerate(self.readers):
            if reader.retry_s is not None and reader.retry_s <= now_s:
                self._take_up(number, reader)
        self._context.refresh()
        secure = self._context.sc_status()
        for number, reader in enumerate(self.readers):
            self._note(reader, secure=bool(secure >> number & 1), now_s=now_s)

    def _take_up(self, number: int, reader: Reader) -> None:
        """Takes a reader up again, which libosdp does only once it has noticed that it was to let it go."""
        if not reader.enabling:
            reader.enabling = True
            reader.retries += 1
            self._context.disable_pd(number)
        elif self._context.enable_pd(number):
            reader.enabling = reader.given_up = False
            reader.retry_s = None

    def _note(self, reader: Reader, *, secure: bool, now_s: float) -> None:
        if secure and not reader.secure:
            reader.backoff.reset()
            reader.retry_s = None
            reader.enabling = reader.given_up = False
        elif reader.secure and not secure:
            reader.lost += 1
            self._give_up(reader, now_s)
        reader.secure = secure

    def _give_up(self, reader: Reader, now_s: float) -> None:
        reader.given_up = True
        if reader.retry_s is None:
            reader.retry_s = now_s + reader.backoff.delay_s()

    def _event(self, number: int, event: dict[str, Any]) -> int:
        reader = self.readers[number]
        kind = event["event"]
        if kind == osdp_sys.EVENT_CARDREAD:
            self._read(reader, event)
        elif (
            kind == osdp_sys.EVENT_NOTIFICATION
            and event["type"] == osdp_sys.EVENT_NOTIFICATION_SC_STATUS
            and not event["arg0"]
            and not reader.enabling
            and not reader.secure
        ):
            # It has answered, and yet there is no channel: another key, or none at all.
            reader.refused += 1
            self._give_up(reader, self._now_s())
        return 0

    def _read(self, reader: Reader, event: dict[str, Any]) -> None:
        if not reader.secure:
            reader.bad_cards["insecure"] += 1
            return
        try:
            credential = credential_of(event["data"], event["length"], is_text=event["format"] == _ASCII)
        except ValueError as error:
            reader.bad_cards[str(error)] += 1
            return
        self._card(CardRead(reader.address, credential))


def credential_of(data: bytes, bits: int, *, is_text: bool = False) -> str:
    """A card's number in hexadecimal: of Wiegand formats without parity, of all others as it came.

    Raises ValueError with one fixed word: "bad_parity", "bad_length", "not_hex".
    """
    if is_text:
        try:
            return bytes.fromhex(data.decode("ascii")).hex().upper()
        except ValueError:
            raise ValueError("not_hex") from None
    if not 8 <= bits <= BITS_MAX or len(data) != (bits + 7) // 8:
        raise ValueError("bad_length")
    if bits in WIEGAND_BITS:
        text = f"{int.from_bytes(data, 'big'):0{8 * len(data)}b}"[:bits]
        try:
            return parse_wiegand(text).hex().upper()
        except ValueError:
            raise ValueError("bad_parity") from None
    if bits % 8:
        raise ValueError("bad_length")
    return data.hex().upper()


def _info(reader: ReaderSettings, channel: _Channel, flags: int) -> dict[str, Any]:
    return {
        "name": f"reader-{reader.address}",
        "address": reader.address,
        "flags": flags,
        "scbk": reader.key,
        "channel": channel,
        "version": 1,
        "model": 1,
        "vendor_code": 0,
        "serial_number": 0,
        "firmware_version": 0,
    }


class _Channel:
    """What libosdp reads from and writes to. It takes a reply that comes in two pieces for none (tried
    with 3.2.9), so it gets packets only when they are whole; noise between them it never sees.
    """

    id = 1

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._begun = bytearray()
        self._whole = bytearray()

    def read(self, count: int) -> bytes:
        if not self._whole:
            self._begun += self._wire.read(PACKET_BYTES_MAX)
            self._whole += take_packet(self._begun)
        data = bytes(self._whole[:count])
        del self._whole[:count]
        return data

    def write(self, data: bytes) -> int:
        # A new question: what is left of earlier answers is nobody's any more.
        self._begun.clear()
        self._whole.clear()
        return self._wire.write(data)

    def flush(self) -> None:
        """What a question makes stale is forgotten when it is written."""


def take_packet(begun: bytearray) -> bytes:
    """Removes and returns the first whole packet of what was heard, noise before it thrown away; empty
    while there is none. Its check is libosdp's affair.
    """
    while (start := begun.find(START)) >= 0:
        del begun[:start]
        if len(begun) < 4:
            return b""
        length = int.from_bytes(begun[2:4], "little")
        if PACKET_BYTES_MIN <= length <= PACKET_BYTES_MAX and begun[1] & REPLY:
            if len(begun) < length:
                return b""
            packet = bytes(begun[:length])
            del begun[:length]
            return packet
        del begun[0]
    begun.clear()
    return b""
