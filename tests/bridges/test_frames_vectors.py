"""Captured frames of real boards, kept beside the checkout, against the frame codecs."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from firmware_bridges.frames import CODECS, Frame, FrameReader

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "vectors"
IN_CI = os.environ.get("CI", "").lower() in {"true", "1"}

CODEC_BY_DEVICE = {
    "Plantower": "plantower",
    "PMSx003": "plantower",
    "Nova": "nova",
    "SDS01x": "nova",
    "Sensirion": "shdlc",
    "SPS30": "shdlc",
    "Winsen": "winsen",
    "MHZ19B": "winsen",
    "HPMA115S0": "honeywell",
    "GY-MCU90614": "gy-mcu",
    "Yaohua XK3190-A9": "yaohua",
    "Keli": "yaohua",
    "Yaohua XK3190-A12": "yaohua-a12",
    "CAS/A&D": "scale-text",
    "Chinese canteen scale": "scale-text",
    "DL/T 645": "dlt645",
    "RDM6300": "rdm6300",
    "Wiegand": "wiegand",
    "OSDP": "osdp",
}
PAYLOADS = {
    "serial_air-001": "00000008000800000008000800d20046002d001e000000009700",
    "serial_air-009": "c00600060058d9",
    "serial_air-013": ("40b9c67f41036c8b411e4ae24123aa92420c5b7c422efdba4238cab3423ab2c9423afde93f4a1025"),
    "serial_air-017": "86027c42000000",
    "serial_air-021": "170400000e1388",
    "serial_thermometer-001": "0c780d19",
}
"""Of some of the frames whose values stand in rows of a profile."""
WARMING_UP = {"serial_negative-004", "serial_negative-007"}
"""Whole frames of zeros: that they mean nothing is for the profile to say."""
REASONS = {
    "serial_negative-001": "truncated",
    "serial_negative-002": "bad_length",
    "serial_negative-005": "wrong_tail",
    "serial_negative-008": "not_ready",
    "serial_negative-010": "bad_checksum",
    "serial_negative-011": "bad_checksum",
    "serial_negative-013": "bad_checksum",
    "access_osdp-005": "bad_checksum",
    "access_osdp-007": "bad_length",
}
OUR_NAMES = {"voltage": "voltage_l1"}
NAMES = (
    "serial_air", "serial_negative", "serial_dlt645", "serial_scales", "serial_thermometer", "access_cards",
    "access_osdp",
)  # fmt: skip


def _vectors() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for name in NAMES:
        path = FOLDER / f"{name}.json"
        if path.is_file():
            found += json.loads(path.read_text("utf-8"))["vectors"]
    return found


VECTORS = _vectors()


def test_the_frames_are_there_or_their_absence_is_said() -> None:
    if VECTORS:
        assert {vector["id"].rpartition("-")[0] for vector in VECTORS} == set(NAMES)
        return
    message = f"no vectors of serial boards in {FOLDER}; the captured frames were NOT checked"
    assert not IN_CI, message
    print(message)


def _read(vector: dict[str, Any]) -> tuple[list[Frame], FrameReader]:
    (codec,) = {codec for start, codec in CODEC_BY_DEVICE.items() if vector["device"].startswith(start)}
    given = vector["input"]
    data = bytes.fromhex(given["data"]) if given["format"] == "frame" else given["bits"].encode()
    reader = FrameReader(CODECS[codec]())
    return reader.feed(data) + reader.finish(), reader


# Without vectors these tests do not exist: an empty parametrisation would count as a skip.
if VECTORS:

    @pytest.mark.parametrize(
        "vector", [one for one in VECTORS if one["expected"]], ids=lambda vector: vector["id"]
    )
    def test_a_captured_frame_is_good(vector: dict[str, Any]) -> None:
        (frame,), reader = _read(vector)
        assert not reader.faults
        assert frame.payload.hex() == PAYLOADS.get(vector["id"], frame.payload.hex())
        if vector["id"].startswith(("serial_air", "serial_thermometer")):
            return
        for name, want in vector["expected"].items():
            named = frame.values[OUR_NAMES.get(name, name)]
            assert named.value == want["value"]
            assert named.unit == want["unit"]
        request = vector.get("parsed", {}).get("control") == 0x11
        assert ("request" in frame.values) is request

    @pytest.mark.parametrize(
        "vector", [one for one in VECTORS if not one["expected"]], ids=lambda vector: vector["id"]
    )
    def test_what_is_no_frame_is_counted_with_a_reason(vector: dict[str, Any]) -> None:
        frames, reader = _read(vector)
        if vector["id"] in WARMING_UP:
            (frame,) = frames
            assert not any(frame.payload[1:])
            return
        assert not frames
        assert REASONS[vector["id"]] in reader.faults
