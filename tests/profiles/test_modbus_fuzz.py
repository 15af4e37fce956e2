"""Whatever stands in a device's registers, or in a text about them: readings or reasons, no error."""

import json
import struct
from math import isfinite
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_profiles.decoding import decode_input
from device_profiles.examples import ZONE
from device_profiles.modbus import RegisterRead, bind_modbus
from device_profiles.registry import Catalogue, Profile
from device_profiles.rtu import build_reply, build_request
from telemetry.quality import Quality
from telemetry.quantities import QUANTITIES
from telemetry.readings import Chunk, Reading, SeriesTable

PROFILES = [profile for profile in Catalogue().all() if profile.spec.transport == "modbus"]
FLOATS = st.sampled_from([0.0, -0.0, 1e-45, 3.4e38, float("nan"), float("inf"), float("-inf")])
words = st.integers(0, 0xFFFF) | st.sampled_from([0, 1, 0x7FFF, 0x8000, 0xFFFF, 0x7F80, 0x7FC0, 0xFF80])


def _hold(readings: list[Reading], refused: tuple[str, ...]) -> None:
    for reading in readings:
        quantity = QUANTITIES[reading.series.quantity]
        assert type(reading.value) is float
        assert isfinite(reading.value)
        assert str(reading.value) != "-0.0"
        inside = quantity.low <= reading.value <= quantity.high
        assert inside or reading.quality is Quality.OUT_OF_RANGE
        assert reading.time_ms == 9
    assert all(reason.isidentifier() for reason in refused)


@pytest.mark.parametrize("profile", PROFILES, ids=[profile.id for profile in PROFILES])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_registers_give_readings_or_reasons(profile: Profile, data: st.DataObject) -> None:
    table = SeriesTable()
    decoder = bind_modbus(profile, device="d", place="p/r", table=table)
    planned = data.draw(st.sampled_from(decoder.reads))
    start = data.draw(st.integers(planned.address, planned.end - 1))
    count = data.draw(st.integers(1, planned.end - start))
    read = data.draw(st.sampled_from([planned, RegisterRead(planned.fc, start, count)]))
    registers = data.draw(st.lists(words, min_size=read.count, max_size=read.count))
    if read.count >= 2 and data.draw(st.booleans()):
        registers[:2] = struct.unpack(">2H", struct.pack(">f", data.draw(FLOATS)))
    chunk = Chunk()
    refused = decoder.decode(read, registers, 9, chunk, warming_up=data.draw(st.booleans()))
    assert len(chunk.series) == len(chunk.time_ms) == len(chunk.value) == len(chunk.quality)
    _hold(chunk.readings(table), refused)
    rows = [one for one in decoder.rows if read.address <= one.address and one.end <= read.end]
    if refused not in {("blank",), ("no_known_register",)}:
        assert len(chunk) + len(refused) == len(rows), "every row gives a reading or a reason"
    again = Chunk()
    assert decoder.decode(read, registers, 9, again, warming_up=False) == refused
    assert again.value == chunk.value


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda some: (
        st.lists(some, max_size=5)
        | st.dictionaries(
            st.sampled_from(
                ["fc", "address", "count", "registers", "request", "response", "response_no_crc"]
            ),
            some,
            max_size=7,
        )
    ),
    max_leaves=12,
)
frames = st.builds(
    lambda unit, fc, registers, address: (
        build_request(unit, fc, address, len(registers)).hex() + build_reply(unit, fc, tuple(registers)).hex()
    ),
    st.integers(0, 255),
    st.sampled_from([3, 4]),
    st.lists(words, max_size=20),
    words,
)
dumps = st.builds(
    lambda fc, address, registers: f"{fc}@{address}: {' '.join(map(str, registers))}",
    st.integers(0, 9),
    st.integers(0, 70_000),
    st.lists(st.integers(0, 70_000), max_size=9),
)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(PROFILES),
    st.text(max_size=60)
    | st.text("0123456789abcdef@: ;{}[]x,>", max_size=60)
    | anything.map(json.dumps)
    | frames
    | st.tuples(frames, st.integers(0, 60)).map(lambda cut: cut[0][: cut[1]])
    | dumps,
)
def test_any_text_about_registers_gives_readings_or_reasons(profile: Profile, text: Any) -> None:
    decoded = decode_input(profile, text, received_ms=9, zone=ZONE)
    _hold(list(decoded.readings), tuple(refusal.reason for refusal in decoded.refused))
    assert decoded.readings or decoded.refused


@pytest.mark.parametrize(
    "text",
    [
        "[" * 50_000,
        '{"registers":' * 9_000,
        "3@0: " + "1 " * 70_000,
        "3@0: " + "9" * 5_000,
        '{"fc": 3, "address": 0, "registers": [' + "9" * 5_000 + "]}",
        "00" * 100_000,
        "3@0: 1;" * 10_000,
        "\ud800",
        "3@0: " + "1" * 5_000 + "x",
        "3@0: " + "1 " * 5_000 + "x",
        "3@0: 007 0x0Fg",
        "３@0: 1",
        "3@０: 1",
        "3@0: １",
    ],
    ids=[
        "arrays",
        "objects",
        "dump",
        "digits",
        "number",
        "frame",
        "dumps",
        "half",
        "run",
        "runs",
        "letter",
        "wide1",
        "wide2",
        "wide3",
    ],
)
def test_long_and_odd_texts_do_no_harm(text: str) -> None:
    decoded = decode_input(Catalogue().get("renke/rs-ws-n01"), text, received_ms=9, zone=ZONE)
    _hold(list(decoded.readings), tuple(refusal.reason for refusal in decoded.refused))


ACTORS = {"eletechsup/r421a08"}
"""Whose zeros are states: every relay is off."""


@pytest.mark.parametrize("profile", PROFILES, ids=[profile.id for profile in PROFILES])
def test_a_device_that_answers_nothing_but_zeros_or_ones_gives_no_first_read(profile: Profile) -> None:
    table = SeriesTable()
    decoder = bind_modbus(profile, device="d", place="p/r", table=table)
    read = decoder.reads[0]
    for word in (0, 0xFFFF):
        chunk = Chunk()
        refused = decoder.decode(read, [word] * read.count, 9, chunk)
        if profile.id in ACTORS and word == 0:
            continue
        good = [one for one in chunk.readings(table) if one.quality is Quality.GOOD]
        assert good == []
        assert refused or chunk
