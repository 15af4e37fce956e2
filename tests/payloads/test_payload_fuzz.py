"""No Bluetooth codec and no Bluetooth profile is upset by any bytes."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.ble import Advertisement, bind_ble
from device_profiles.ble_schema import BleProfile
from device_profiles.decoding import decode_input
from device_profiles.examples import ZONE
from device_profiles.payloads import PAYLOADS, Context, PayloadError
from device_profiles.registry import Catalogue, Profile
from telemetry.named import Named
from telemetry.readings import Chunk, SeriesTable

ADDRESS = "A4:C1:38:00:00:01"
KEYS = st.sampled_from([None, b"", b"k" * 12, b"k" * 16, b"k" * 5])
PROFILES = [profile for profile in Catalogue().all() if isinstance(profile.spec, BleProfile)]
STARTS = st.sampled_from(
    [
        b"",
        b"\x40",
        b"\x41",
        b"\x46",
        b"\x58\x58\x5b\x05",
        b"\x50\x40\x69\x15\x01",
        b"\x06",
        b"\xe1",
        b"\x03",
        b"\x21",
    ]
)
"""How payloads of the families begin, so that chance gets past the first check."""


@pytest.mark.parametrize("name", PAYLOADS)
@given(
    start=STARTS, data=st.binary(max_size=64), key=KEYS, address=st.sampled_from(["", ADDRESS, "no address"])
)
def test_a_codec_gives_values_or_one_reason(
    name: str, start: bytes, data: bytes, key: bytes | None, address: str
) -> None:
    reasons: list[str] = []
    values: Mapping[str, Named] = {}
    try:
        values = PAYLOADS[name](start + data, Context(address, key))
    except PayloadError as error:
        reasons.append(error.reason)
    assert all(reason.replace("_", "").isalpha() for reason in reasons)
    for value_name, named in values.items():
        assert value_name.replace("_", "").isalnum()
        if isinstance(named.value, tuple):
            assert all(math.isfinite(one) for one in named.value)


@given(number=st.sampled_from(range(0x10000)), data=st.binary(max_size=12), product=st.integers(0, 0xFFFF))
def test_any_object_of_any_model(number: int, data: bytes, product: int) -> None:
    frame = b"\x40\x50" + product.to_bytes(2, "little") + b"\x01" + number.to_bytes(2, "little")
    PAYLOADS["mibeacon"](frame + bytes([len(data)]) + data, Context())


@pytest.mark.parametrize("profile", PROFILES, ids=[profile.id for profile in PROFILES])
@given(data=st.binary(max_size=48), key=KEYS)
def test_a_profile_reads_any_bytes(profile: Profile, data: bytes, key: bytes | None) -> None:
    spec = profile.spec
    assert isinstance(spec, BleProfile)
    table = SeriesTable()
    decoder = bind_ble(profile, device="d", place="p", address=ADDRESS, table=table, key=key)
    for packet in spec.packets:
        whole = bytes.fromhex(packet.start) + data
        chunk = Chunk()
        if packet.characteristic is not None:
            decoder.decode_value(packet.characteristic, whole, 0, chunk)
        else:
            company = {packet.company or 0: whole}
            served = {} if packet.service is None else {packet.service: whole}
            decoder.decode(Advertisement(ADDRESS, None, None, company, served), 0, chunk)
        assert all(math.isfinite(reading.value) for reading in chunk.readings(table))
    decode_input(profile, data.hex(), received_ms=0, zone=ZONE, key=key)
    decode_input(profile, json.dumps({"data": data.hex()}), received_ms=0, zone=ZONE)


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    decode_input(PROFILES[0], text, received_ms=0, zone=ZONE)
