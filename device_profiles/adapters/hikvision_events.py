"""The events of Hikvision's access controllers and face terminals that matter to a school.

Numbers: minor types of the "Device Network SDK" (NET_DVR_ACS_ALARM_INFO), which ISAPI sends as
``subEventType``. What is not listed is told by its numbers alone.
"""

from __future__ import annotations

from typing import Final, NamedTuple

MAJORS: Final = {1: "alarm", 2: "exception", 3: "operation", 5: "event"}
EVENT: Final = 5


class Kind(NamedTuple):
    """What an event is called; passed: a person was recognised and may go through."""

    text: str
    passed: bool = False


KINDS: Final[dict[tuple[int, int], Kind]] = {
    (EVENT, 0x01): Kind("card verified", passed=True),
    (EVENT, 0x02): Kind("card and password verified", passed=True),
    (EVENT, 0x03): Kind("card and password refused"),
    (EVENT, 0x06): Kind("card without permission"),
    (EVENT, 0x07): Kind("card outside its hours"),
    (EVENT, 0x08): Kind("card expired"),
    (EVENT, 0x09): Kind("card unknown"),
    (EVENT, 0x0A): Kind("card refused by anti-passback"),
    (EVENT, 0x10): Kind("several verified", passed=True),
    (EVENT, 0x15): Kind("door_unlocked"),
    (EVENT, 0x16): Kind("door_locked"),
    (EVENT, 0x17): Kind("door_button_pressed"),
    (EVENT, 0x18): Kind("door_button_released"),
    (EVENT, 0x19): Kind("door_opened"),
    (EVENT, 0x1A): Kind("door_closed"),
    (EVENT, 0x1B): Kind("door_forced"),
    (EVENT, 0x1C): Kind("door_open_too_long"),
    (EVENT, 0x26): Kind("fingerprint verified", passed=True),
    (EVENT, 0x27): Kind("fingerprint refused"),
    (EVENT, 0x28): Kind("card and fingerprint verified", passed=True),
    (EVENT, 0x29): Kind("card and fingerprint refused"),
    (EVENT, 0x31): Kind("fingerprint unknown"),
    (EVENT, 0x36): Kind("face and fingerprint verified", passed=True),
    (EVENT, 0x39): Kind("face and password verified", passed=True),
    (EVENT, 0x3C): Kind("face and card verified", passed=True),
    (EVENT, 0x3D): Kind("face and card refused"),
    (EVENT, 0x45): Kind("number and fingerprint verified", passed=True),
    (EVENT, 0x4B): Kind("face verified", passed=True),
    (EVENT, 0x4C): Kind("face refused"),
    (EVENT, 0x4D): Kind("number and face verified", passed=True),
    (EVENT, 0x4E): Kind("number and face refused"),
    (EVENT, 0x50): Kind("face not recognised"),
    (EVENT, 0x97): Kind("password refused"),
    (EVENT, 0x9C): Kind("QR code verified", passed=True),
    (EVENT, 0x9D): Kind("QR code refused"),
    (EVENT, 0xB5): Kind("password verified", passed=True),
    (3, 0x400): Kind("door_unlocked_remotely"),
    (3, 0x401): Kind("door_locked_remotely"),
}


def kind_of(major: int, minor: int) -> Kind:
    """What is known of an event; of an unknown one its group, and that it lets nobody through."""
    return KINDS.get((major, minor)) or Kind(MAJORS.get(major, "event"))
