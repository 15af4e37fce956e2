"""The decoder's rules, one by one, on small profiles of the tests' own."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from device_profiles.binding import bind
from device_profiles.decoder import DeviceDecoder
from device_profiles.observations import NOTHING_REFUSED, Outcome
from device_profiles.registry import Catalogue, Profile
from device_profiles.schema import MqttJsonProfile
from device_profiles.times import TimeLimits
from foundation import tomlfile
from telemetry.readings import Chunk, SeriesKey, SeriesTable

HEAD = """\
transport = "mqtt-json"
name = { zh = "示例", en = "Example" }
vendor = "Example"
source = "https://example.org/manual"
topics = ["x/{address}"]
examples = [{ about = "none", topic = "x/1", address = "1", payload = "{}" }]
"""
NOW_MS = 1_788_220_800_000  # 2026-09-01T08:00:00+08:00
MINUTE_MS = 60_000


def _profile(rest: str) -> Profile:
    spec = tomlfile.parse((HEAD + rest).encode(), MqttJsonProfile, "test.toml")
    return Profile("test/device", "test.toml", spec)


class Bench:
    """A bound decoder with its table, and readings as {quantity: (value, quality)}."""

    def __init__(self, rest: str, **options: Any) -> None:
        self.table = SeriesTable()
        self.decoder: DeviceDecoder = bind(
            _profile(rest),
            device="dev",
            place="main/1",
            address="1",
            table=self.table,
            zone=ZoneInfo("Asia/Shanghai"),
            **options,
        )
        self.outcome = Outcome()
        self.time_ms: set[int] = set()

    def read(
        self, payload: object, *, retained: bool = False, trust: bool = True
    ) -> dict[str, tuple[float, str]]:
        chunk = Chunk()
        self.outcome = self.decoder.decode(payload, NOW_MS, retained, chunk, trust_device_time=trust)
        self.time_ms = set(chunk.time_ms)
        return {r.series.quantity: (r.value, r.quality.name) for r in chunk.readings(self.table)}


def _field(rows: str) -> str:
    return "[[fields]]\n" + rows


TEMPERATURE = _field('quantity = "temperature"\npath = ["t"]\nunit = "Cel"\n')
TIMED = 'time = { path = ["at"], unit = "ms" }\n' + TEMPERATURE


@pytest.mark.parametrize(
    ("raw", "found", "refused"),
    [
        (20, 20.0, ()),
        (-0.0, 0.0, ()),
        ("20.50", 20.5, ()),
        ("-1e1", -10.0, ()),
        ("-0", 0.0, ()),
        (None, None, ()),
        (True, None, ("not_a_number",)),
        (False, None, ("not_a_number",)),
        ([20], None, ("not_a_number",)),
        ({}, None, ("not_a_number",)),
        ("", None, ("not_a_number",)),
        (" 20", None, ("not_a_number",)),
        ("20\n", None, ("not_a_number",)),
        ("+20", None, ("not_a_number",)),
        ("1_0", None, ("not_a_number",)),
        (".5", None, ("not_a_number",)),
        ("0x10", None, ("not_a_number",)),
        ("２０", None, ("not_a_number",)),
        ("nan", None, ("not_a_number",)),
        ("inf", None, ("not_a_number",)),
        ("1e999", None, ("not_finite",)),
        (float("nan"), None, ("not_finite",)),
        (float("inf"), None, ("not_finite",)),
        (10**400, None, ("number_too_large",)),
        (-1e300, None, ("number_too_large",)),
    ],
)
def test_numbers_are_read_strictly(raw: object, found: float | None, refused: tuple[str, ...]) -> None:
    bench = Bench(TEMPERATURE)
    readings = bench.read({"t": raw})
    assert readings == ({} if found is None else {"temperature": (found, "GOOD")})
    assert str(readings.get("temperature", (0.0,))[0]) != "-0.0"
    assert bench.outcome.refused == refused


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        (True, 1.0),
        (False, 0.0),
        (1, 1.0),
        (0, 0.0),
        (2, None),
        (1.0, None),
        ("true", None),
        ("1", None),
        ([], None),
    ],
)
def test_truth_values_are_read_strictly(raw: object, found: float | None) -> None:
    bench = Bench(_field('quantity = "open"\npath = ["contact"]\n'))
    assert bench.read({"contact": raw}) == ({} if found is None else {"open": (found, "GOOD")})
    assert bench.outcome.refused == (() if found is not None else ("not_a_bool",))
    inverted = Bench(_field('quantity = "open"\npath = ["contact"]\ninvert = true\n'))
    assert inverted.read({"contact": raw}) == ({} if found is None else {"open": (1 - found, "GOOD")})


def test_units_scale_and_decimals() -> None:
    bench = Bench(
        _field('quantity = "temperature"\npath = ["f"]\nunit = "degF"\ndecimals = 1\n')
        + _field('quantity = "pressure"\npath = ["p"]\nunit = "kPa"\nscale = 0.1\n')
        + _field('quantity = "energy"\npath = ["e"]\nunit = "Wh"\n')
        + _field('quantity = "battery_voltage"\npath = ["v"]\nunit = "mV"\noffset = 5\n')
    )
    readings = bench.read({"f": 100, "p": 1013, "e": 1234567, "v": 2998})
    assert {name: value for name, (value, _) in readings.items()} == {
        "temperature": 37.8,
        "pressure": 1013.0,
        "energy": 1234.567,
        "battery_voltage": 3.003,
    }


def test_the_unit_may_stand_in_the_message() -> None:
    row = 'quantity = "temperature"\npath = ["t"]\nunit_from = { path = ["u"], map = { C = "Cel", F = "degF" } }\n'
    bench = Bench(_field(row))
    assert bench.read({"t": 50, "u": "F"}) == {"temperature": (10.0, "GOOD")}
    assert bench.read({"t": 50, "u": "C"}) == {"temperature": (50.0, "GOOD")}
    for payload in ({"t": 50}, {"t": 50, "u": None}, {"t": 50, "u": ["C"]}, {"t": 50, "u": "K"}):
        assert bench.read(payload) == {}
        assert bench.outcome.refused == ("unknown_unit",)
    with_default = Bench(_field(row + 'unit = "K"\n'))
    assert with_default.read({"t": 300}) == {"temperature": (26.85, "GOOD")}
    assert with_default.read({"t": 300, "u": "X"}) == {}


def test_maps_take_text_numbers_and_truth_values_as_the_device_writes_them() -> None:
    bench = Bench(
        _field('quantity = "status"\npath = ["s"]\nunit = "1"\nmap = { on = 7, "1" = 8, true = 9 }\n')
    )
    known: list[tuple[object, float]] = [("on", 7.0), (1, 8.0), (1.0, 8.0), ("1", 8.0), (True, 9.0)]
    for raw, value in known:
        assert bench.read({"s": raw}) == {"status": (value, "GOOD")}
    unknown: list[object] = ["off", 0, False, [], {}, float("nan")]
    for other in unknown:
        assert bench.read({"s": other}) == {}
        assert bench.outcome.refused == ("not_in_map",)
    assert bench.read({"s": None}) == {}
    assert bench.outcome is NOTHING_REFUSED


def test_missing_and_uncertain_raw_values() -> None:
    row = 'quantity = "temperature"\npath = ["t"]\nunit = "Cel"\nmissing = [-127, "n/a"]\nuncertain = [85]\n'
    bench = Bench(_field(row))
    for raw in (-127, -127.0, "n/a"):
        assert bench.read({"t": raw}) == {}
        assert bench.outcome is NOTHING_REFUSED
    assert bench.read({"t": 85}) == {"temperature": (85.0, "UNCERTAIN")}
    assert bench.read({"t": 84.9}) == {"temperature": (84.9, "GOOD")}


def test_values_outside_the_plausible_range_are_kept_and_marked() -> None:
    bench = Bench(_field('quantity = "temperature"\npath = ["t"]\nunit = "Cel"\nlow = -10\nhigh = 50\n'))
    assert bench.read({"t": 50}) == {"temperature": (50.0, "GOOD")}
    assert bench.read({"t": 50.1}) == {"temperature": (50.1, "OUT_OF_RANGE")}
    assert bench.read({"t": -127}) == {"temperature": (-127.0, "OUT_OF_RANGE")}
    assert bench.outcome is NOTHING_REFUSED


def test_paths_with_dots_indexes_selectors_and_other_spellings() -> None:
    bench = Bench(
        _field('quantity = "pm2_5"\npath = ["a.b", "PM2.5"]\nunit = "ug/m3"\n')
        + _field('quantity = "co2"\npath = ["list", 1]\nunit = "ppm"\n')
        + _field('quantity = "power"\npath = ["props", { id = 2, kind = "w" }, "value"]\nunit = "W"\n')
        + _field('quantity = "voc"\npath = ["vco"]\nother_paths = [["voc"]]\nunit = "ppb"\n')
    )
    props = [
        1,
        {"id": True, "kind": "w", "value": 1},
        {"id": 2, "kind": "w", "value": 5},
        {"id": 2, "kind": "w"},
    ]
    readings = bench.read({"a.b": {"PM2.5": 3}, "list": [1, 2], "props": props, "voc": 4})
    assert {name: value for name, (value, _) in readings.items()} == {
        "pm2_5": 3,
        "co2": 2,
        "power": 5,
        "voc": 4,
    }
    assert bench.read({"vco": 1, "voc": 2}) == {"voc": (1.0, "GOOD")}
    assert bench.read({"a.b": [], "list": [1], "props": {}}) == {}
    assert bench.outcome.refused == ("no_known_field",)


def test_a_selector_does_not_take_true_for_one() -> None:
    bench = Bench(_field('quantity = "co2"\npath = ["list", { id = 1 }, "v"]\nunit = "ppm"\n'))
    assert bench.read({"list": [{"id": True, "v": 400}, {"id": 1, "v": 500}]}) == {"co2": (500.0, "GOOD")}


def test_device_time() -> None:
    bench = Bench(TIMED)
    for at, time_ms, quality, refused in (
        (NOW_MS - MINUTE_MS, NOW_MS - MINUTE_MS, "GOOD", ()),
        (NOW_MS + 5 * MINUTE_MS, NOW_MS + 5 * MINUTE_MS, "GOOD", ()),
        (NOW_MS + 5 * MINUTE_MS + 1, NOW_MS, "GOOD", ("device_time_in_future",)),
        (NOW_MS - 15 * MINUTE_MS, NOW_MS - 15 * MINUTE_MS, "GOOD", ()),
        (NOW_MS - 15 * MINUTE_MS - 1, NOW_MS - 15 * MINUTE_MS - 1, "STALE", ()),
        (9_000, NOW_MS, "GOOD", ("device_time_unset",)),
        ("1970-01-01T00:00:09", NOW_MS, "GOOD", ("device_time_unset",)),
        ("2026-09-01T08:00:01", NOW_MS + 1_000, "GOOD", ()),
        ("2026-09-01T00:00:01Z", NOW_MS + 1_000, "GOOD", ()),
        ("2026-09-01T08:00:00.250+08:00", NOW_MS + 250, "GOOD", ()),
        ("2026-09-01", NOW_MS, "GOOD", ("bad_device_time",)),
        ("yesterday at eight", NOW_MS, "GOOD", ("bad_device_time",)),
        (True, NOW_MS, "GOOD", ("bad_device_time",)),
        (None, NOW_MS, "GOOD", ()),
    ):
        assert bench.read({"t": 1, "at": at}) == {"temperature": (1.0, quality)}, at
        assert bench.time_ms == {time_ms}
        assert bench.outcome.refused == refused


def test_device_time_is_not_used_while_nobody_knows_the_time() -> None:
    bench = Bench(TIMED)
    assert bench.read({"t": 1, "at": NOW_MS - MINUTE_MS}, trust=False) == {"temperature": (1.0, "GOOD")}
    assert bench.time_ms == {NOW_MS}


def test_the_limits_of_device_time_are_parameters() -> None:
    bench = Bench(TIMED, time_limits=TimeLimits(future_ms_max=0, stale_after_ms=10))
    assert bench.read({"t": 1, "at": NOW_MS - 11}) == {"temperature": (1.0, "STALE")}
    bench.read({"t": 1, "at": NOW_MS + 1})
    assert bench.outcome.refused == ("device_time_in_future",)


def test_a_retained_message_is_uncertain_unless_it_carries_its_time() -> None:
    bench = Bench(TIMED)
    assert bench.read({"t": 1}, retained=True) == {"temperature": (1.0, "UNCERTAIN")}
    assert bench.read({"t": 1, "at": NOW_MS - 1}, retained=True) == {"temperature": (1.0, "GOOD")}


def test_series_carry_device_place_and_model() -> None:
    bench = Bench(TEMPERATURE)
    assert list(map(bench.table.__getitem__, range(len(bench.table)))) == [
        SeriesKey("temperature", "dev", "main/1", "test/device")
    ]


def test_where_tells_devices_of_one_topic_apart() -> None:
    rest = 'where = { path = ["did"], value = "lumi.{address}" }\n' + TEMPERATURE
    decoder = Bench(rest).decoder
    assert decoder.accepts({"did": "lumi.1"})
    assert not any(
        map(decoder.accepts, ({"did": "lumi.2"}, {}, {"did": None}, [], None, {"did": ["lumi.1"]}))
    )
    numbered = Bench('where = { path = ["id"], value = "{address}" }\n' + TEMPERATURE).decoder
    assert numbered.accepts({"id": 1})
    assert not any(map(numbered.accepts, ({"id": True}, {"id": 1.0}, {"id": 10**5000})))


@pytest.mark.parametrize("address", ["", "a+", "#", "a/#", "a\0"])
def test_an_address_that_would_widen_the_topic_is_refused(address: str) -> None:
    profile = _profile(TEMPERATURE)
    with pytest.raises(ValueError, match="cannot stand in a topic"):
        bind(profile, device="d", place="p", address=address, table=SeriesTable(), zone=ZoneInfo("UTC"))


def test_configured_topics_replace_those_of_the_profile() -> None:
    assert Bench(TEMPERATURE).decoder.topics == ("x/1",)
    assert Bench(TEMPERATURE, topics=["attic/{address}/+"]).decoder.topics == ("attic/1/+",)
    with pytest.raises(ValueError, match="no MQTT filter"):
        Bench(TEMPERATURE, topics=["a#"])


def test_an_observation_does_not_show_its_card() -> None:
    profile = Catalogue().get("campus/morning-check-v1")
    decoder = bind(profile, device="d", place="p", address="a", table=SeriesTable(), zone=ZoneInfo("UTC"))
    assert decoder.gives_checks
    payload = {
        "v": 1,
        "card": "04a2b31c",
        "site": "ear",
        "temperature_c": 36.5,
        "name": "示例学生",
        "photo": "…",
    }
    outcome = decoder.decode(payload, NOW_MS, False, Chunk())
    assert outcome.check is not None
    assert outcome.check.credential == "04A2B31C"
    assert outcome.refused == ("undocumented_field", "undocumented_field")
    assert "04A2B31C" not in repr(outcome)
    assert "示例" not in repr(outcome)


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({"ambient_c": "21"}, ("bad_ambient",)),
        ({"ambient_c": 900}, ("bad_ambient",)),
        ({"symptoms": "cough"}, ("bad_symptoms",)),
        ({"symptoms": ["cough", "cough", 3]}, ("unknown_symptom",)),
        ({"card": 12345678}, ("bad_card",)),
        ({"card": "A" * 10_000}, ("bad_card",)),
        ({"time": 1_788_220_799}, ("bad_device_time",)),
        ({"time": "2026-09-01T08:30:00"}, ("device_time_in_future",)),
    ],
)
def test_a_detail_does_not_cost_a_fever_its_alarm(changes: dict[str, Any], refused: tuple[str, ...]) -> None:
    profile = Catalogue().get("campus/morning-check-v1")
    zone = ZoneInfo("Asia/Shanghai")
    decoder = bind(profile, device="d", place="p", address="a", table=SeriesTable(), zone=zone)
    payload = {"v": 1, "site": "ear", "temperature_c": 38.4, **changes}
    outcome = decoder.decode(payload, NOW_MS, False, Chunk())
    assert outcome.refused == refused
    assert outcome.check is not None
    assert (outcome.check.temperature_c, outcome.check.time_ms) == (38.4, NOW_MS)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ([], "not_an_object"),
        ({"v": True, "site": "ear", "temperature_c": 36.5}, "unknown_version"),
        ({"v": 1, "temperature_c": 36.5}, "unknown_site"),
        ({"v": 1, "site": ["ear"], "temperature_c": 36.5}, "unknown_site"),
        ({"v": 1, "site": "ear"}, "no_temperature"),
        ({"v": 1, "site": "ear", "temperature_c": "36.5"}, "no_temperature"),
        ({"v": 1, "site": "ear", "temperature_c": True}, "no_temperature"),
        ({"v": 1, "site": "ear", "temperature_c": 99}, "temperature_impossible"),
    ],
)
def test_what_is_no_check_gives_a_reason(payload: object, reason: str) -> None:
    profile = Catalogue().get("campus/morning-check-v1")
    decoder = bind(profile, device="d", place="p", address="a", table=SeriesTable(), zone=ZoneInfo("UTC"))
    assert decoder.decode(payload, NOW_MS, False, Chunk()) == Outcome((reason,))
