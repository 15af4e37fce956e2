"""Whatever a network server publishes: no decoder raises, and nothing comes out that is no reading."""

from __future__ import annotations

from base64 import b64encode
from math import isfinite
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_profiles.lorawan import bind_lorawan
from device_profiles.lorawan_schema import LorawanProfile
from device_profiles.registry import Catalogue, Profile
from telemetry.quality import Quality
from telemetry.quantities import QUANTITIES
from telemetry.readings import Chunk, SeriesTable

PROFILES = [profile for profile in Catalogue().all() if isinstance(profile.spec, LorawanProfile)]
EUI = "24e124136b000001"
NOW_MS = 1_790_000_000_000

_any: st.SearchStrategy[Any] = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.just([1])
    | st.just({})
)
_base64 = st.binary(max_size=80).map(lambda data: b64encode(data).decode())


def _inputs(profile: Profile) -> list[str]:
    """The uplinks of a profile's own examples, which are hexadecimal, as Base64."""
    assert isinstance(profile.spec, LorawanProfile)
    digits = [one.input for one in profile.spec.examples if not one.input.startswith("{")]
    return [b64encode(bytes.fromhex(text)).decode() for text in digits]


@pytest.mark.parametrize("profile", PROFILES, ids=[profile.id for profile in PROFILES])
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_event_gives_readings_or_reasons(profile: Profile, data: st.DataObject) -> None:
    payload = _base64 | _any | st.sampled_from([*_inputs(profile), ""])
    event: Any = data.draw(
        st.fixed_dictionaries(
            {"data": payload},
            optional={"fPort": _any | st.integers(0, 255), "time": _any, "deviceInfo": _any},
        )
        | st.fixed_dictionaries(
            {"uplink_message": st.fixed_dictionaries({"frm_payload": payload}, optional={"f_port": _any})}
        )
        | _any
    )
    table, chunk = SeriesTable(), Chunk()
    decoder = bind_lorawan(profile, device="d", place="p/r", address=EUI, table=table)
    decoder.accepts(event)
    outcome = decoder.decode(event, NOW_MS, data.draw(st.booleans()), chunk)
    assert all(reason.isidentifier() for reason in outcome.refused)
    for reading in chunk.readings(table):
        quantity = QUANTITIES[reading.series.quantity]
        assert isfinite(reading.value)
        inside = quantity.low <= reading.value <= quantity.high
        assert inside or reading.quality is Quality.OUT_OF_RANGE
        assert 0 <= reading.time_ms < 2**53
