"""Whatever a device sends: no decoder raises, and nothing comes out that is not a reading."""

from math import isfinite
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_profiles.binding import bind
from device_profiles.decoder import DeviceDecoder
from device_profiles.parsing import PAYLOAD_BYTES_MAX, DecodeError, parse_json
from device_profiles.registry import Catalogue
from device_profiles.schema import MqttJsonProfile
from telemetry.quality import Quality
from telemetry.quantities import QUANTITIES
from telemetry.readings import Chunk, SeriesTable
from telemetry.records import SITES, SYMPTOMS

PROFILES = [
    profile
    for profile in Catalogue().all()
    if isinstance(profile.spec, MqttJsonProfile) and profile.spec.encoding == "json"
]
REASONS = {"empty", "too_large", "too_deep", "not_json"}

_scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=10**300, max_value=10**330)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(
        ["1e999", "nan", "-0", "0.00", "1_0", "C", "F", "emergency", "", "1", SITES[0], SYMPTOMS[0]]
    )
    | st.datetimes().map(lambda moment: moment.isoformat())
    | st.sampled_from(["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "9999-12-31T23:59:59"])
)
_json = st.recursive(
    _scalars, lambda some: st.lists(some, max_size=4) | st.dictionaries(st.text(max_size=8), some, max_size=4)
)


def _shaped(profile: MqttJsonProfile, draw: Any) -> Any:
    """A payload with the keys the profile looks for and anything at all behind them."""
    root: dict[str, Any] = {}
    paths = [path for row in profile.fields for path in (row.path, *row.other_paths)]
    paths += [row.unit_from.path for row in profile.fields if row.unit_from]
    paths += [extra.path for extra in (profile.time, profile.where) if extra]
    for path in paths:
        node: Any = root
        for at, step in enumerate(path):
            last = at == len(path) - 1
            if not isinstance(step, str):
                break
            if last:
                node[step] = draw(_json)
            else:
                below = path[at + 1]
                if isinstance(below, str):
                    node = node.setdefault(step, {})
                    if not isinstance(node, dict):
                        break
                else:
                    wanted = dict(getattr(below, "wanted", ()))
                    node.setdefault(step, []).append({**wanted, "value": draw(_json)})
                    break
    if profile.record:
        keys = ["v", "station", "card", "site", "temperature_c", "ambient_c", "symptoms", "time", "name"]
        root = {key: draw(_json) for key in keys} | draw(
            st.fixed_dictionaries(
                {"v": st.just(1), "site": st.sampled_from(SITES)},
                optional={"temperature_c": st.floats(30, 45), "symptoms": st.lists(_scalars, max_size=3)},
            )
        )
    wrapper = draw(st.sampled_from(profile.roots))
    for step in reversed(wrapper):
        root = {step: root}
    return root


def _decoder(profile: Any, table: SeriesTable) -> DeviceDecoder:
    return bind(profile, device="d", place="p/r", address="a", table=table, zone=ZoneInfo("Asia/Shanghai"))


@pytest.mark.parametrize("profile", PROFILES, ids=[profile.id for profile in PROFILES])
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_json_gives_readings_or_reasons(profile: Any, data: st.DataObject) -> None:
    payload = data.draw(_json) if data.draw(st.booleans()) else _shaped(profile.spec, data.draw)
    table, chunk = SeriesTable(), Chunk()
    decoder = _decoder(profile, table)
    decoder.accepts(payload)
    received_ms = data.draw(st.sampled_from([0, 1_790_000_000_000]))
    outcome = decoder.decode(payload, received_ms, data.draw(st.booleans()), chunk)
    again = decoder.decode({}, received_ms, False, Chunk())
    assert set(again.refused) <= {"no_known_field", "unknown_version"}, (
        "nothing is left of the message before"
    )
    assert len(chunk.series) == len(chunk.time_ms) == len(chunk.value) == len(chunk.quality)
    for reading in chunk.readings(table):
        quantity = QUANTITIES[reading.series.quantity]
        assert type(reading.value) is float
        assert isfinite(reading.value)
        assert str(reading.value) != "-0.0"
        inside = quantity.low <= reading.value <= quantity.high
        assert inside or reading.quality is Quality.OUT_OF_RANGE
        assert 0 <= reading.time_ms < 2**53
    assert all(reason.isidentifier() for reason in outcome.refused)
    if outcome.check is not None:
        assert outcome.check.site in SITES
        assert set(outcome.check.symptoms) <= set(SYMPTOMS)
        assert isfinite(outcome.check.temperature_c)


@given(st.binary(max_size=200) | _json.map(lambda value: repr(value).encode("utf-8", "surrogatepass")))
def test_any_bytes_are_json_or_a_decode_error(payload: bytes) -> None:
    try:
        msgspec.json.encode(parse_json(payload))
    except DecodeError as error:
        told = (error.reason, str(error))
    else:
        return
    assert told in {(reason, reason) for reason in REASONS}


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "empty"),
        (b"{", "not_json"),
        (b'{"a": NaN}', "not_json"),
        (b'"\xff"', "not_json"),
        (b"[" * 50_000, "too_deep"),
        (b'{"a":' * 10_000, "too_deep"),
        (b"1" * (PAYLOAD_BYTES_MAX + 1), "too_large"),
    ],
    ids=["empty", "cut", "nan", "utf8", "arrays", "objects", "long"],
)
def test_bad_json_has_a_reason(payload: bytes, reason: str) -> None:
    with pytest.raises(DecodeError) as caught:
        parse_json(payload)
    assert caught.value.reason == reason


def test_numbers_of_any_length_do_no_harm() -> None:
    decoder = _decoder(Catalogue().get("json/environment"), SeriesTable())
    for digits in (b"9" * 400, b"9" * 60_000, b"1e999", b"-1e999", b"-0", b"1e-999"):
        try:
            payload = parse_json(b'{"co2": %b}' % digits)
        except DecodeError:
            continue
        chunk = Chunk()
        decoder.decode(payload, 0, False, chunk)
        assert all(map(isfinite, chunk.value))
