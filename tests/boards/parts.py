"""What people do at our boards, as scenarios; and what the boards said, decoded."""

from __future__ import annotations

from typing import NamedTuple

from firmware_bridges.boards import messages
from firmware_bridges.boards.messages import Check, Message, Source, Tap, Weight
from firmware_bridges.frames import CODECS, FrameReader
from tests.boards.scenario import SERIAL, play

ANA, BEN = bytes.fromhex("0400864426"), bytes.fromhex("010063E9AE")
SOURCE = Source(SERIAL, 17)
Doing = tuple[int, str, str]


class Scene(NamedTuple):
    """A scenario, as `scenario.play` takes it."""

    kind: str
    doings: list[Doing]
    until_ms: int
    boot: int = 17
    has_indicator: bool = False

    def play(self) -> list[Doing]:
        """On CPython."""
        doings = sorted(self.doings, key=lambda doing: doing[0])
        return play(self.kind, doings, self.until_ms, boot=self.boot, has_indicator=self.has_indicator)


def card(at_ms: int, uid: bytes) -> Doing:
    """A card in the field of an RDM6300."""
    digits = uid.hex().upper()
    check = 0
    for byte in uid:
        check ^= byte
    return at_ms, "reader", (b"\x02" + f"{digits}{check:02X}".encode() + b"\x03").hex()


def temperature_frame(object_c: float, ambient_c: float = 21.5) -> bytes:
    """A GY-MCU90614's frame."""
    words = b"".join(round(value * 100).to_bytes(2, "big", signed=True) for value in (object_c, ambient_c))
    frame = b"\x5a\x5a\x45\x04" + words
    return frame + bytes((sum(frame) & 0xFF,))


def looking(begin_ms: int, end_ms: int, object_c: float) -> list[Doing]:
    """What the thermometer sees, ten times a second."""
    return [(at, "sensor", temperature_frame(object_c).hex()) for at in range(begin_ms, end_ms, 100)]


def wiegand(at_ms: int, bits: str) -> list[Doing]:
    """A bit each 2 ms, as readers send them."""
    return [(at_ms + 2 * place, "reader", bit.encode().hex()) for place, bit in enumerate(bits)]


def weighing(begin_ms: int, end_ms: int, text: str) -> list[Doing]:
    """A line of an indicator or an HX711's count, ten times a second."""
    return [(at, "sensor", f"{text}\r\n".encode().hex()) for at in range(begin_ms, end_ms, 100)]


def command(at_ms: int, frame: bytes) -> Doing:
    return at_ms, "host", frame.hex()


def told(done: list[Doing]) -> list[tuple[int, Message]]:
    """All messages, with the millisecond they were sent. Fails when anything was no good frame."""
    reader = FrameReader(CODECS["cobs"]())
    found = [
        (at_ms, messages.parse_message(frame.payload))
        for at_ms, port, data in done
        if port == "host"
        for frame in reader.feed(bytes.fromhex(data))
    ]
    assert not reader.faults
    return found


def events(done: list[Doing]) -> list[Check | Tap | Weight]:
    """The events, as often as they were sent."""
    return [message for _, message in told(done) if isinstance(message, Check | Tap | Weight)]


def lamps(done: list[Doing]) -> list[str]:
    """The lamps' and buzzer's states in order."""
    return [lamp for _, port, lamp in done if port == "lamp"]


ACCEPTED, REJECTED = ["gb", "g", ""], ["rb", "r", "rb", "r", ""]
NO_RETRY = command(0, messages.set_parameter("retry_ms", 60_000))

SCENES = {
    "card, then forehead": Scene(
        "morning-desk",
        [
            NO_RETRY,
            *looking(0, 1_000, 22.0),
            card(1_000, ANA),
            card(1_100, ANA),
            *looking(2_000, 4_000, 36.52),
        ],
        6_000,
    ),
    "forehead, then card": Scene(
        "morning-desk",
        [NO_RETRY, *looking(0, 900, 36.4), *looking(900, 4_000, 22.0), card(2_500, ANA)],
        6_000,
    ),
    "a card without a forehead": Scene(
        "morning-desk", [NO_RETRY, *looking(0, 6_000, 22.0), card(500, ANA)], 6_000
    ),
    "two cards, one forehead": Scene(
        "morning-desk",
        [
            NO_RETRY,
            card(100, ANA),
            card(900, BEN),
            *looking(1_000, 3_000, 38.2),
            *looking(3_000, 4_000, 22.0),
        ],
        6_000,
    ),
    "two pupils": Scene(
        "morning-desk",
        [
            NO_RETRY,
            card(0, ANA),
            *looking(500, 1_500, 36.5),
            *looking(1_500, 2_500, 22.0),
            card(2_500, BEN),
            *looking(2_600, 4_000, 38.3),
        ],
        6_000,
    ),
    "a forehead that does not keep still": Scene(
        "morning-desk",
        [
            NO_RETRY,
            card(500, ANA),
            *[doing for at in range(0, 4_000, 200) for doing in looking(at, at + 200, 34.0 + at / 1_000)],
        ],
        6_000,
    ),
    "a forehead without a card": Scene(
        "morning-desk",
        [
            NO_RETRY,
            command(0, messages.set_parameter("object_offset_c100", 250)),
            *looking(500, 2_000, 35.8),
            *looking(2_000, 5_000, 22.0),
        ],
        6_000,
    ),
    "no thermometer": Scene("morning-desk", [NO_RETRY], 12_000),
    "two cards at a door, and a bit lost": Scene(
        "wiegand-tap",
        [
            NO_RETRY,
            *wiegand(100, "00110010100001111111111111"),
            *wiegand(1_000, "1010010011001011000000010110100100"),
            *wiegand(2_000, "0011001010000111111111111"),
            *wiegand(3_000, "10110010100001111111111111"),
        ],
        5_000,
    ),
    "tare and two portions on an indicator": Scene(
        "canteen-scale",
        [
            NO_RETRY,
            *weighing(0, 1_000, "ST,GS,+0000.000kg"),
            *weighing(1_000, 2_500, "ST,GS,+0000.210kg"),
            (1_900, "button", "01"),
            (2_000, "button", "00"),
            *weighing(2_500, 3_000, "US,GS,+0000.500kg"),
            *weighing(3_000, 5_000, "ST,GS,+0000.735kg"),
            *weighing(5_000, 6_000, "ST,GS,+0000.210kg"),
            *weighing(6_000, 7_500, "ST,GS,+000610 g"),
            *weighing(7_500, 7_600, "OL,GS,+9999.999kg"),
            *weighing(7_600, 8_500, "US,GS,-0000.001kg"),
        ],
        9_000,
        has_indicator=True,
    ),
    "a portion on a bare load cell": Scene(
        "canteen-scale",
        [
            NO_RETRY,
            *weighing(0, 1_500, "-81234"),
            *weighing(1_500, 3_000, str(-81_234 + 420 * 365)),
            *weighing(3_000, 3_100, "8388607"),
            *weighing(3_100, 4_000, "-81300"),
        ],
        5_000,
    ),
    "a load cell that drifts by 60 g in a minute": Scene(
        "canteen-scale",
        [
            NO_RETRY,
            *[
                line
                for step in range(60)
                for line in weighing(step * 1_000, step * 1_000 + 1_000, str(420 * step))
            ],
            *weighing(60_000, 62_000, str(420 * 260)),
            *weighing(62_000, 63_000, str(420 * 60)),
        ],
        64_000,
    ),
    "a cable pulled out for a minute": Scene(
        "morning-desk",
        [
            (0, "gateway", "01"),
            (1_000, "cable", "00"),
            (61_000, "cable", "01"),
            *[
                doing
                for at in range(2_000, 60_000, 2_000)
                for doing in (
                    card(at, at.to_bytes(5, "big")),
                    *looking(at, at + 1_000, 36.5),
                    *looking(at + 1_000, at + 2_000, 22.0),
                )
            ],
        ],
        66_000,
    ),
    "damaged and unknown commands": Scene(
        "canteen-scale",
        [
            command(100, b"\0\x05\x01\x41\x11\x22\0"),
            command(200, bytes(300) + b"\xff" * 600 + b"\0"),
            command(300, messages.set_parameter("together_ms", 1_000)),
            command(400, messages.request_hello()),
            command(500, messages.signal(accept=False)),
        ],
        14_000,
        has_indicator=True,
    ),
}
