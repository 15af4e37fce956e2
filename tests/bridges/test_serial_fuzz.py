"""Whatever a board sends, its profile gives readings a store can take, or reasons; never an error."""

from __future__ import annotations

from math import isfinite

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_profiles.decoding import Decoded, decode_input
from device_profiles.examples import ZONE
from device_profiles.registry import Catalogue, Profile, serial_spec
from device_profiles.serial import bind_serial
from firmware_bridges.frames import Frame
from telemetry.named import Named
from telemetry.quality import Quality
from telemetry.quantities import QUANTITIES
from telemetry.readings import Chunk, Reading, SeriesTable

PROFILES = [profile for profile in Catalogue().all() if profile.spec.transport == "serial"]
each = pytest.mark.parametrize("profile", PROFILES, ids=[profile.id for profile in PROFILES])
numbers = st.integers(-(10**18), 10**18) | st.floats() | st.booleans() | st.none()
values = numbers | st.text(max_size=12) | st.sampled_from(["forehead", "00BC614E", "4294967296", "１"])


def _hold(readings: list[Reading]) -> None:
    for reading in readings:
        quantity = QUANTITIES[reading.series.quantity]
        assert isfinite(reading.value)
        assert str(reading.value) != "-0.0"
        inside = quantity.low <= reading.value <= quantity.high
        assert inside or reading.quality is Quality.OUT_OF_RANGE


@each
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_frame_gives_readings_or_reasons(profile: Profile, data: st.DataObject) -> None:
    table, chunk = SeriesTable(), Chunk()
    decoder = bind_serial(profile, device="d", place="p/r", table=table)
    spec = serial_spec(profile)
    keys = {row.key for row in spec.fields if row.key is not None}
    keys |= {spec.card.key} if spec.card else set()
    if spec.check is not None:
        keys |= {key for key in (spec.check.temperature, spec.check.card, spec.age) if key is not None}
    named = {key: Named(data.draw(values)) for key in keys if data.draw(st.booleans())}
    lengths = [rows.length for rows in spec.payloads if rows.length is not None]
    size = data.draw(st.sampled_from(lengths) if lengths else st.integers(0, 40))
    start = bytes.fromhex(spec.payloads[0].start) if spec.payloads else b""
    payload = start + data.draw(st.binary(min_size=size, max_size=size))[len(start) :]
    outcome = decoder.decode(Frame(payload, named), 5, chunk, warming_up=data.draw(st.booleans()))
    _hold(chunk.readings(table))
    assert all(reason.isidentifier() for reason in outcome.refused)
    shown = decoder.decoder_for(Frame(payload, named))
    assert shown is None or isinstance(shown.name_values(payload, values=named), dict)


@each
@settings(max_examples=40, deadline=None)
@given(text=st.text(max_size=60) | st.binary(max_size=60).map(bytes.hex))
def test_any_text_is_decoded_or_refused(profile: Profile, text: str) -> None:
    decoded = decode_input(profile, text, received_ms=5, zone=ZONE)
    assert isinstance(decoded, Decoded)
    _hold(list(decoded.readings))
    assert all(refusal.reason.isidentifier() for refusal in decoded.refused)


@each
def test_what_a_board_is_asked_is_known_before_it_is_connected(profile: Profile) -> None:
    address = "42" if serial_spec(profile).is_addressed else ""
    decoder = bind_serial(profile, device="d", place="p/r", table=SeriesTable(), address=address)
    assert len(decoder.requests) == len(serial_spec(profile).polls)
    assert all(request.data for request in decoder.requests)
