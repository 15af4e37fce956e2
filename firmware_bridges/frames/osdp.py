"""OSDP packets as they pass on the line, for people to look at: whose, which, and card or keys in clear.

Source: SIA OSDP v2.2 (IEC 60839-11-5), section 5. Nothing here talks to a reader: the control panel is
libosdp's work. FF bytes between packets are the line's idle level.
"""

from __future__ import annotations

from binascii import crc_hqx
from typing import Final

from firmware_bridges.frames.contract import Frame
from firmware_bridges.frames.scanning import begins, reject, take_off
from telemetry.named import Named

START: Final = b"\x53"
MARK: Final = b"\xff"
PACKET_BYTES_MIN: Final = 7
"""Five of header, a command, a check of one byte."""
PACKET_BYTES_MAX: Final = 1_440
"""The largest that the standard lets a device announce."""
REPLY: Final = 0x80
WITH_CRC: Final = 0x04
WITH_SECURITY: Final = 0x08
ENCRYPTED_FROM: Final = 0x17
"""Kind of the security block: from here on the data is encrypted."""
CRC_START: Final = 0x1D0F
COMMANDS: Final = {
    0x60: "POLL", 0x61: "ID", 0x62: "CAP", 0x64: "LSTAT", 0x65: "ISTAT", 0x66: "OSTAT", 0x67: "RSTAT",
    0x68: "OUT", 0x69: "LED", 0x6A: "BUZ", 0x6B: "TEXT", 0x6E: "COMSET", 0x73: "BIOREAD",
    0x74: "BIOMATCH", 0x75: "KEYSET", 0x76: "CHLNG", 0x77: "SCRYPT", 0x7B: "ACURXSIZE",
    0x7C: "FILETRANSFER", 0x80: "MFG", 0xA1: "XWR", 0xA2: "ABORT", 0xA3: "PIVDATA", 0xA4: "GENAUTH",
    0xA5: "CRAUTH", 0xA7: "KEEPACTIVE",
}  # fmt: skip
REPLIES: Final = {
    0x40: "ACK", 0x41: "NAK", 0x45: "PDID", 0x46: "PDCAP", 0x48: "LSTATR", 0x49: "ISTATR",
    0x4A: "OSTATR", 0x4B: "RSTATR", 0x50: "RAW", 0x51: "FMT", 0x53: "KEYPAD", 0x54: "COM",
    0x57: "BIOREADR", 0x58: "BIOMATCHR", 0x76: "CCRYPT", 0x78: "RMAC_I", 0x79: "BUSY", 0x7A: "FTSTAT",
    0x80: "PIVDATAR", 0x81: "GENAUTHR", 0x82: "CRAUTHR", 0x83: "MFGSTATR", 0x84: "MFGERRR",
    0x90: "MFGREP", 0xB1: "XRD",
}  # fmt: skip
RAW: Final = 0x50
KEYPAD: Final = 0x53
_KEYS: Final = {0x7F: "*", 0x0D: "#"}


class OsdpCodec:
    """Payload: command or reply code, and its data. Values: `address`, `sequence`, `command` or
    `reply` by name; of a keypad `reader` and `digits`; of a card `reader`, `format`, `bit_count` and
    `card_uid`, hexadecimal. In a secure channel the data is nobody's.
    """

    def take(self, buffer: bytearray) -> Frame | None:
        if not begins(buffer, START, quiet=MARK) or len(buffer) < 5:
            return None
        length = int.from_bytes(buffer[2:4], "little")
        control = buffer[4]
        if not PACKET_BYTES_MIN + bool(control & WITH_CRC) <= length <= PACKET_BYTES_MAX:
            reject(buffer, "bad_length")
        if len(buffer) < length:
            return None
        packet = bytes(buffer[:length])
        if not _is_whole(packet):
            reject(buffer, "bad_checksum")
        at = 5 + (packet[5] if control & WITH_SECURITY else 0)
        data = packet[at : -2 if control & WITH_CRC else -1]
        if not data:
            reject(buffer, "bad_length")
        take_off(buffer, length)
        in_clear = not (control & WITH_SECURITY and packet[6] >= ENCRYPTED_FROM)
        return Frame(data, _values(packet[1], control & 3, data, in_clear=in_clear))


def _is_whole(packet: bytes) -> bool:
    if packet[4] & WITH_CRC:
        return crc_hqx(packet[:-2], CRC_START) == int.from_bytes(packet[-2:], "little")
    return sum(packet) & 0xFF == 0


def _values(address: int, sequence: int, data: bytes, *, in_clear: bool) -> dict[str, Named]:
    code, rest = data[0], data[1:]
    values = {"address": Named(address & 0x7F), "sequence": Named(sequence)}
    if not address & REPLY:
        return values | {"command": Named(f"{COMMANDS.get(code, 'UNKNOWN')} 0x{code:02X}")}
    values["reply"] = Named(f"{REPLIES.get(code, 'UNKNOWN')} 0x{code:02X}")
    if in_clear and code == KEYPAD and len(rest) >= 2 and len(rest) == 2 + rest[1]:
        keys = "".join(_KEYS.get(key) or (chr(key) if 0x20 < key < 0x7F else "?") for key in rest[2:])
        values |= {"reader": Named(rest[0]), "digits": Named(keys)}
    if in_clear and code == RAW and len(rest) >= 4:
        bits = int.from_bytes(rest[2:4], "little")
        if bits and len(rest) - 4 == (bits + 7) // 8:
            values |= {"reader": Named(rest[0]), "format": Named(rest[1]), "bit_count": Named(bits)}
            values["card_uid"] = Named(rest[4:].hex().upper())
    return values


def encode(payload: bytes, *, address: int, sequence: int = 0, reply: bool = True) -> bytes:
    """A packet with CRC and without secure channel, after one mark byte."""
    head = START + bytes((address | (REPLY if reply else 0),))
    head += (len(payload) + 7).to_bytes(2, "little") + bytes((sequence | WITH_CRC,))
    packet = head + payload
    return MARK + packet + crc_hqx(packet, CRC_START).to_bytes(2, "little")
