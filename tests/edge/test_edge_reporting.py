"""What is handed on to the gate: rules of reporting, and who is silent."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from device_profiles.observations import CheckObservation, TapObservation
from device_profiles.registry import Catalogue
from edge_agent.clock import Clock
from edge_agent.config import load_config
from edge_agent.counters import Counters
from edge_agent.reporting import DeviceWatch, Reporter, ReportRule, SilenceSection, WatchedDevice
from edge_agent.reporting.devices import watched_devices, worn_devices
from edge_agent.reporting.strategies import Aggregate, OnChange
from telemetry.quality import Quality
from telemetry.readings import Chunk, Reading, SeriesKey, SeriesTable

GOOD, UNCERTAIN = int(Quality.GOOD), int(Quality.UNCERTAIN)
START_MS = 1_790_000_040_000
"""A whole minute."""


class Behind:
    """The gate's place, keeping what comes."""

    def __init__(self, table: SeriesTable) -> None:
        self._table = table
        self.readings_in: list[Reading] = []
        self.others: list[str] = []

    def readings(self, chunk: Chunk) -> None:
        self.readings_in += chunk.readings(self._table)

    def check(self, observation: CheckObservation) -> None:
        self.others.append("check")

    def tap(self, observation: TapObservation) -> None:
        self.others.append("tap")

    def refused(self, device: str, reason: str, size_bytes: int) -> None:
        self.others.append(reason)

    def told(self) -> list[tuple[str, float]]:
        return [(one.series.quantity, one.value) for one in self.readings_in]


class Desk:
    """A reporter with everything around it; time does not pass by itself."""

    def __init__(self, *rules: ReportRule, after_s: float = 0.0) -> None:
        self.table = SeriesTable()
        self.counters = Counters()
        self.behind = Behind(self.table)
        watched = [WatchedDevice("air-301", "main/301", "json/environment", after_s)]
        self.watch = DeviceWatch(watched, self.table, self.counters, now_s=0.0)
        self.reporter = Reporter(
            self.behind,
            rules,
            self.watch,
            table=self.table,
            clock=Clock("system"),
            counters=self.counters,
        )

    def say(self, quantity: str, value: float, time_ms: int, quality: int = GOOD) -> None:
        series = self.table.index(SeriesKey(quantity, "air-301", "main/301", "json/environment"))
        chunk = Chunk()
        chunk.append(series, time_ms, value, quality)
        self.reporter.readings(chunk)


def test_without_a_rule_everything_is_handed_on() -> None:
    desk = Desk(ReportRule(mode="aggregate", devices=("other-*",)))
    for at in range(3):
        desk.say("co2", 600.0, START_MS + at)
    assert desk.behind.told() == [("co2", 600.0)] * 3
    assert desk.counters.thinned == 0


def test_only_what_differs_and_a_sign_of_life() -> None:
    desk = Desk(ReportRule(mode="on-change", quantities=("co2",), dead_band=20, heartbeat_s=60))
    for at, value in (
        (0, 600.0),
        (10, 619.0),
        (20, 620.0),
        (30, 610.0),
        (79, 601.0),
        (80, 601.0),
        (81, 602.0),
    ):
        desk.say("co2", value, START_MS + at * 1_000)
    assert [value for _, value in desk.behind.told()] == [600.0, 620.0, 601.0]
    assert desk.counters.thinned == 4
    desk.say("co2", 602.0, START_MS + 82_000, UNCERTAIN)
    desk.say("temperature", 21.0, START_MS + 82_000)
    assert desk.behind.told()[3:] == [("co2", 602.0), ("temperature", 21.0)]


def test_a_bool_is_told_when_it_differs() -> None:
    desk = Desk(ReportRule(mode="aggregate", interval_s=60))
    for at, value in enumerate((0.0, 0.0, 1.0, 1.0, 0.0)):
        desk.say("open", value, START_MS + at)
    assert desk.behind.told() == [("open", 0.0), ("open", 1.0), ("open", 0.0)]


def test_figures_of_an_interval() -> None:
    desk = Desk(ReportRule(mode="aggregate", interval_s=60))
    for at, value in ((0, 10.0), (20, 40.0), (59, 40.0)):
        desk.say("power", value, START_MS + at * 1_000)
    assert desk.behind.told() == []
    desk.say("power", 7.0, START_MS + 60_000)
    assert desk.behind.told() == [("power", 30.0), ("power_min", 10.0), ("power_max", 40.0)]
    assert {one.time_ms for one in desk.behind.readings_in} == {START_MS + 60_000}
    desk.say("power", 99.0, START_MS + 30_000)  # its interval is closed: told by itself
    assert desk.behind.told()[3:] == [("power", 99.0)]
    desk.reporter.flush()
    assert desk.behind.told()[4:] == [("power", 7.0), ("power_min", 7.0), ("power_max", 7.0)]


def test_an_interval_ends_though_nothing_more_comes() -> None:
    desk = Desk(ReportRule(mode="aggregate", interval_s=60))
    desk.say("power", 10.0, START_MS)  # long ago: its interval is over at the next look
    desk.reporter.tick()
    assert [one for one, _ in desk.behind.told()] == ["power", "power_min", "power_max"]


def test_doubtful_readings_count_only_where_there_are_no_good_ones() -> None:
    for qualities, mean, quality in (
        ((UNCERTAIN, GOOD, UNCERTAIN), 2.0, GOOD),
        ((UNCERTAIN, UNCERTAIN), 1.5, UNCERTAIN),
    ):
        strategy, out = Aggregate(0, 1, 2, interval_s=60), Chunk()
        for value, one in enumerate(qualities, 1):
            strategy.offer(START_MS + value, float(value), one, out)
        strategy.close(None, out)
        assert (out.value[0], set(out.quality)) == (mean, {quality})


@given(
    st.lists(st.tuples(st.integers(0, 600_000), st.floats(-1e6, 1e6)), max_size=60),
    st.sampled_from([1.0, 7.0, 60.0]),
)
def test_every_reading_is_in_one_figure_or_handed_on(
    readings: list[tuple[int, float]], interval_s: float
) -> None:
    strategy, out = Aggregate(0, 1, 2, interval_s=interval_s), Chunk()
    for time_ms, value in readings:
        strategy.offer(START_MS + time_ms, value, GOOD, out)
    strategy.close(None, out)
    strategy.close(None, out)
    values = [value for _, value in readings]
    assert set(out.value) <= set(values) | {v for s, v in zip(out.series, out.value, strict=True) if s == 0}
    lows = [value for series, value in zip(out.series, out.value, strict=True) if series != 2]
    if values:
        assert min(lows) == pytest.approx(min(values), abs=1e-6)
        assert max(out.value) == pytest.approx(max(values), abs=1e-6)
    else:
        assert not out


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=60), st.floats(0, 50))
def test_what_is_held_back_is_never_far_from_what_was_told(values: list[float], dead_band: float) -> None:
    strategy, out = OnChange(0, dead_band=dead_band, heartbeat_s=3_600), Chunk()
    for at, value in enumerate(values):
        strategy.offer(START_MS + at, value, GOOD, out)
        assert abs(value - out.value[-1]) < dead_band or value == out.value[-1]


def test_safety_events_and_people_have_no_rules() -> None:
    desk = Desk(ReportRule(mode="on-change", heartbeat_s=86_400))
    for at in range(3):
        desk.say("smoke", 1.0, START_MS + at)
        desk.say("heart_rate", 120.0, START_MS + at)
    assert desk.behind.told().count(("smoke", 1.0)) == 3
    assert desk.behind.told().count(("heart_rate", 120.0)) == 3


def test_a_silent_device_is_told_once_and_when_it_speaks_again() -> None:
    desk = Desk(after_s=60)
    assert not desk.watch.changes(59.0, START_MS)
    fell = desk.watch.changes(61.0, START_MS)
    assert [(one.series.quantity, one.value) for one in fell.readings(desk.table)] == [("device_silent", 1.0)]
    assert desk.counters.devices["air-301"].silent
    assert not desk.watch.changes(70.0, START_MS)
    desk.watch.heard("air-301", 71.0, START_MS + 1)
    assert list(desk.watch.changes(72.0, START_MS + 2).value) == [0.0]
    assert not desk.watch.changes(73.0, START_MS + 3)
    assert desk.counters.devices["air-301"].last_seen_ms == START_MS + 1
    assert not desk.counters.devices["air-301"].silent


@pytest.mark.parametrize("what", ["check", "tap", "refused"])
def test_whatever_a_device_says_is_a_sign_of_life(what: str) -> None:
    desk = Desk(after_s=60)
    if what == "check":
        desk.reporter.check(CheckObservation(0, "air-301", "main/301", None, "ear", 36.5))
    elif what == "tap":
        desk.reporter.tap(TapObservation(0, "air-301", "main/301", "04A2B31C"))
    else:
        desk.reporter.refused("air-301", "not_json", 3)
    assert desk.counters.devices["air-301"].last_seen_ms is not None
    assert len(desk.behind.others) == 1
    desk.reporter.refused("unknown", "no_device_for_topic", 3)


def test_never_silent_where_nobody_says_when() -> None:
    desk = Desk(after_s=0)
    assert not desk.watch.changes(1e9, START_MS)


def test_rules_say_what_is_wrong_with_them() -> None:
    with pytest.raises(ValidationError, match='dead_band goes with mode = "on-change"'):
        ReportRule(mode="aggregate", dead_band=1)
    with pytest.raises(ValidationError, match='interval_s goes with mode = "aggregate"'):
        ReportRule(mode="every", interval_s=5)


def test_silence_as_the_configuration_says_or_the_profile(tmp_path: Path) -> None:
    sample = Path(__file__).parents[2] / "edge_agent" / "gateway.sample.toml"
    (tmp_path / "profiles").mkdir()
    file = tmp_path / "gateway.toml"
    file.write_text(
        sample.read_text("utf-8")
        + """
[[modbus]]
name = "bus"
tcp = { host = "127.0.0.1" }
devices = [
  { id = "a", profile = "renke/rs-ws-n01", place = "main/301", unit = 1, interval_s = 20 },
  { id = "b", profile = "renke/rs-ws-n01", place = "main/301", unit = 2, interval_s = 1 },
]
""",
        "utf-8",
    )
    file.write_text(
        file.read_text("utf-8")
        + """
[[ble]]
name = "bands"
devices = [
  { id = "band-1", profile = "sig/heart-rate", place = "main/301", address = "C0:00:00:00:00:01" },
  { id = "tag-1", profile = "ruuvi/ruuvitag", place = "main/301", address = "C0:00:00:00:00:02" },
]
""",
        "utf-8",
    )
    config = load_config(file)
    assert list(worn_devices(config, Catalogue(config.profile_dirs))) == ["band-1"]
    found = {one.id: one.silent_after_s for one in watched_devices(config, Catalogue(config.profile_dirs))}
    assert found == {"air-301": 600.0, "a": 60.0, "b": 30.0, "tag-1": 60.0}
    assert SilenceSection(after_s={"a*": 5, "*": 7}).of("b", 1.0) == 7.0
