"""Drivers and profiles of plug-ins at a gateway: as good as the bundled ones, and no danger to them."""

from __future__ import annotations

import asyncio
import math
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any, Self
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from device_profiles.observations import CheckObservation, TapObservation
from device_profiles.plugin import ProfilePlugin
from device_profiles.registry import Catalogue
from edge_agent import supervision
from edge_agent.cli import app
from edge_agent.clock import Clock
from edge_agent.config import GatewayConfig, load_config
from edge_agent.counters import Counters, DriverCounters
from edge_agent.drivers import make_drivers
from edge_agent.drivers.contract import DeviceReport, Driver, Sink
from edge_agent.drivers.plugged import UNUSABLE, GuardedSink, PluggedDriver
from edge_agent.drivers.plugin import DriverParts, DriverPlugin
from edge_agent.drivers.settings import DeviceId, Place
from edge_agent.reporting.devices import watched_devices
from edge_agent.supervision import Supervisor
from foundation.keyfiles import create_signing_key, public_text
from foundation.plugins import PluginError
from foundation.tomlfile import FileProblems, StrictModel
from foundation.tomllines import Location
from telemetry.quality import Quality
from telemetry.readings import Chunk, SeriesKey, SeriesTable
from tests.plugins.plugin_parts import write_distribution

MODULE = "tests.plugins.test_plugins_gateway"
NOON_MS = 1_788_235_200_000


class Device(StrictModel):
    id: DeviceId
    place: Place
    profile: str = ""
    interval_s: float = 20.0
    token: str = ""


class ClockworkSource(StrictModel):
    name: DeviceId
    devices: tuple[Device, ...]
    file: Path = Path("clockwork.txt")
    mood: str = "well"
    depth_mm: int = 0

    def relative_to(self, base: Path) -> Self:
        return self.model_copy(update={"file": base / self.file})


class ClockworkDriver:
    """Does what its table says: well, or badly in some way."""

    def __init__(self, source: ClockworkSource, parts: DriverParts) -> None:
        self.name, self.source, self.parts = source.name, source, parts
        self.runs = 0

    async def run(self, sink: Sink) -> None:
        self.runs += 1
        sink.readings(self.chunk())
        if self.source.mood == "raises":
            raise RuntimeError("secret of a device")
        if self.source.mood == "well":
            await asyncio.Event().wait()

    def chunk(self) -> Chunk:
        table, chunk = self.parts.table, Chunk()
        for device in self.source.devices:
            index = table.index(SeriesKey("temperature", device.id, device.place, device.profile))
            chunk.append(index, self.parts.clock.now_ms(), 21.5)
        return chunk

    async def check(self, timeout_s: float) -> AsyncIterator[DeviceReport]:
        yield DeviceReport(self.source.devices[0].id, ok=True, text="21.5")
        if self.source.mood == "raises":
            raise RuntimeError("secret of a device")
        if self.source.mood == "hangs":
            await asyncio.Event().wait()


def make_clockwork(source: Any, parts: DriverParts) -> Driver:
    if source.mood == "unmade":
        raise RuntimeError("no spring")
    return ClockworkDriver(source, parts)


def find_clockwork_problems(sources: Sequence[Any], catalogue: Catalogue) -> Iterator[tuple[Location, str]]:
    assert isinstance(catalogue, Catalogue)
    for at, source in enumerate(sources):
        if source.mood == "unchecked":
            raise RuntimeError("no thought")
        if source.depth_mm > 10:
            yield (at, "depth_mm"), f"{source.name}: deeper than its case"


CLOCKWORK = DriverPlugin(1, ClockworkSource, make_clockwork, find_clockwork_problems)
NOT_A_SOURCE = DriverPlugin(1, StrictModel, make_clockwork)


class LooseDevice(StrictModel):
    id: str
    place: str


class LooseSource(StrictModel):
    name: str
    devices: tuple[LooseDevice, ...]


LOOSE = DriverPlugin(1, LooseSource, make_clockwork)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.delitem(sys.modules, "plug_profiles", raising=False)
    write_distribution(
        tmp_path / "site",
        "acme-clockwork",
        {
            "drivers": {
                "clockwork": f"{MODULE}:CLOCKWORK",
                "no_source": f"{MODULE}:NOT_A_SOURCE",
                "loose": f"{MODULE}:LOOSE",
            },
            "profiles": {"clockwork": "plug_profiles:PLUGIN"},
        },
        {
            "plug_profiles": """
                from pathlib import Path
                from device_profiles.plugin import ProfilePlugin
                PLUGIN = ProfilePlugin(1, Path(__file__).parent / "profiles")
            """
        },
    )
    write_profile(tmp_path / "site" / "profiles" / "acme" / "clock.toml")
    return tmp_path


def write_profile(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        'transport = "mqtt-json"\nname = { zh = "钟", en = "Clock" }\nvendor = "ACME (invented)"\n'
        'source = "a test"\ntopics = ["{address}"]\nsilent_after_s = 600\n'
        '[[fields]]\nquantity = "temperature"\npath = ["t"]\nunit = "Cel"\n'
        '[[examples]]\nabout = "one"\ntopic = "a"\naddress = "a"\npayload = \'{"t": 1}\'\n'
        'expected = [{ quantity = "temperature", value = 1, unit = "Cel" }]\n',
        "utf-8",
    )


GOOD = """
[[plugin.clockwork]]
name = "tower"
devices = [{ id = "clock-1", place = "main/301", profile = "acme/clock" }, { id = "clock-2", place = "main/302" }]
"""


def written(folder: Path, tables: str, enabled: str = '"clockwork"') -> Path:
    key = create_signing_key(folder / "gateway.key") if not (folder / "gateway.key").exists() else None
    file = folder / "gateway.toml"
    public = public_text(key.public_key()) if key else ""
    before = file.read_text("utf-8") if file.exists() else ""
    public = public or before.partition('public_key = "')[2].partition('"')[0]
    file.write_text(
        f'[plugins]\nenabled = [{enabled}]\n[gateway]\nid = "gw-1"\nschool = "example-primary"\n'
        f'key_file = "gateway.key"\ndata_dir = "data"\n[collector]\npublic_key = "{public}"\n'
        f'mqtt = {{ host = "127.0.0.1" }}\n{tables}',
        "utf-8",
    )
    return file


def drivers_of(config: GatewayConfig, counters: Counters) -> list[Driver]:
    return make_drivers(
        config,
        catalogue=Catalogue(config.profile_dirs),
        table=SeriesTable(),
        clock=Clock("system"),
        counters=counters,
    )


def test_its_devices_are_devices_like_all_others(site: Path) -> None:
    config = load_config(written(site, GOOD))
    assert [device.id for device in config.devices] == ["clock-1", "clock-2"]
    (source,) = config.plugged
    assert source.settings.file == site / "clockwork.txt"
    watched = {one.id: one.silent_after_s for one in watched_devices(config, Catalogue(config.profile_dirs))}
    assert watched == {"clock-1": 60.0, "clock-2": 60.0}, "three of its intervals"
    (driver,) = drivers_of(config, Counters())
    assert driver.name == "tower"


@pytest.mark.parametrize(
    ("tables", "line", "words"),
    [
        (GOOD.replace("devices =", "depht_mm = 3\ndevices ="), 14, "depht_mm is not a setting"),
        (GOOD.replace("devices =", "depth_mm = 'secret'\ndevices ="), 14, "depth_mm must be a valid integer"),
        (GOOD.replace("devices =", "depth_mm = 11\ndevices ="), 14, "tower: deeper than its case"),
        (GOOD.replace("acme/clock", "acme/clokc"), 14, "device clock-1: there is no profile 'acme/clokc'"),
        (GOOD.replace("clock-2", "clock-1"), 14, "two devices have the id 'clock-1'; the other is of tower"),
        (GOOD + GOOD.replace("clock-", "watch-"), 17, "two sources of devices are called 'tower'"),
        (GOOD.replace('"tower"', '"tower"\nmood = "unchecked"'), 12, "cannot check its tables: RuntimeError"),
        ("\n[plugin.clockwork]\nname = 'x'\n", 12, "plugin.clockwork is one table; write [[plugin.NAME]]"),
        ("\n[[plugin.clokwork]]\nname = 'x'\n", 12, "plug-in clokwork is not in plugins.enabled"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(site: Path, tables: str, line: int, words: str) -> None:
    with pytest.raises(FileProblems) as caught:
        load_config(written(site, tables))
    (first, *_) = caught.value.problems
    assert words in first.message
    assert first.place.endswith(f"gateway.toml:{line}")
    assert "secret" not in str(caught.value)


def test_a_model_that_is_no_source_is_refused(site: Path) -> None:
    with pytest.raises(
        FileProblems, match=r"plug-in no_source \(acme-clockwork 1.0, drivers\): .* no source"
    ):
        load_config(written(site, "[[plugin.no_source]]\n", '"no_source"'))


@pytest.mark.parametrize(
    ("id_", "place", "words"), [("a b", "main/301", "1 to 64 letters"), ("a", "/", "must be building/room")]
)
def test_ids_and_places_are_those_of_all_drivers(site: Path, id_: str, place: str, words: str) -> None:
    table = f'[[plugin.loose]]\nname = "x"\ndevices = [{{ id = "{id_}", place = "{place}" }}]\n'
    with pytest.raises(FileProblems, match=f"plug-in loose .* a name, id or place of its source .*{words}"):
        load_config(written(site, table, '"loose"'))


def test_a_plug_in_that_is_not_installed_is_said_with_its_line(site: Path) -> None:
    with pytest.raises(FileProblems, match=r"gateway.toml:2: plug-in sundial is not installed"):
        load_config(written(site, GOOD, '"clockwork", "sundial"'))


def test_a_profile_never_takes_the_place_of_another(site: Path) -> None:
    write_profile(site / "site" / "profiles" / "tasmota" / "energy.toml")
    with pytest.raises(FileProblems, match=r"gives tasmota/energy, as .* does; rename one"):
        load_config(written(site, GOOD))


def test_a_folder_of_profiles_that_is_not_there(site: Path) -> None:
    write_distribution(site / "site", "acme-empty", {"profiles": {"empty": f"{MODULE}:NO_FOLDER"}}, {})
    with pytest.raises(FileProblems, match=r"plug-in empty \(acme-empty 1.0, profiles\): .* is no folder"):
        load_config(written(site, "", '"empty"'))


NO_FOLDER = ProfilePlugin(1, Path("/nowhere/at/all"))


def test_a_driver_that_cannot_be_made_is_an_error_in_words(site: Path) -> None:
    config = load_config(written(site, GOOD.replace("devices", 'mood = "unmade"\ndevices')))
    with pytest.raises(
        PluginError, match=r"\(acme-clockwork 1.0, drivers\) makes no driver for tower: RuntimeError; look"
    ):
        drivers_of(config, Counters())


def test_start_and_check_say_it_and_end_with_2(site: Path) -> None:
    missing = written(site, GOOD, '"clockwork", "sundial"')
    for command in ("run", "check"):
        said = CliRunner().invoke(app, [command, str(missing)])
        assert said.exit_code == 2
        assert "plug-in sundial is not installed in this program's environment" in said.output
    unmade = written(site, GOOD.replace("devices", 'mood = "unmade"\ndevices'))
    for command in ("run", "check"):
        said = CliRunner().invoke(
            app, [command, str(unmade), *(["--timeout", "0.1"] if command == "check" else [])]
        )
        assert said.exit_code == 2, said.output
        assert "plug-in clockwork (acme-clockwork 1.0, drivers) makes no driver for tower" in said.output


class Heard:
    """A sink that keeps what it is given."""

    def __init__(self) -> None:
        self.chunk = Chunk()
        self.people: list[object] = []
        self.reasons: list[tuple[str, str, int]] = []
        self._more = asyncio.Event()

    async def at_least(self, readings: int) -> None:
        while len(self.chunk) < readings:
            self._more.clear()
            await self._more.wait()

    def readings(self, chunk: Chunk) -> None:
        self.chunk.extend(chunk)
        self._more.set()

    def check(self, observation: CheckObservation) -> None:
        self.people.append(observation)

    def tap(self, observation: TapObservation) -> None:
        self.people.append(observation)

    def refused(self, device: str, reason: str, size_bytes: int) -> None:
        self.reasons.append((device, reason, size_bytes))


@pytest.mark.parametrize("mood", ["raises", "returns"])
async def test_a_driver_that_ends_is_made_anew_and_started_again(
    site: Path, mood: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(supervision, "AGAIN_S_FIRST", 0.01)
    config = load_config(written(site, GOOD.replace("devices", f'mood = "{mood}"\ndevices')))
    heard, figures = Heard(), DriverCounters()
    (driver,) = drivers_of(config, Counters())
    supervisor = Supervisor(
        "plugged/tower", lambda: drivers_of(config, Counters())[0], figures, lambda *_: None
    )
    task = asyncio.create_task(supervisor.run(heard, driver))
    async with asyncio.timeout(20):
        await heard.at_least(6)
    assert not task.done()
    task.cancel()
    await asyncio.wait([task])
    assert figures.failures >= 2
    said = capsys.readouterr()
    assert "secret of a device" not in said.out + said.err


@pytest.mark.parametrize(
    ("mood", "words"),
    [("well", "did not report"), ("raises", "failed: RuntimeError"), ("hangs", "no answer")],
)
async def test_check_reports_every_device_whatever_the_driver_does(site: Path, mood: str, words: str) -> None:
    (driver,) = drivers_of(
        load_config(written(site, GOOD.replace("devices", f'mood = "{mood}"\ndevices'))), Counters()
    )
    reports = [report async for report in driver.check(0.1)]
    assert [(one.device, one.ok) for one in reports] == [("clock-1", True), ("clock-2", False)]
    assert words in reports[1].text


@pytest.fixture
async def guarded(site: Path) -> AsyncIterator[tuple[Sink, Heard, Counters, SeriesTable]]:
    """The sink that a plug-in's driver is given."""
    kept: list[Sink] = []

    class Keeping(ClockworkDriver):
        async def run(self, sink: Sink) -> None:
            kept.append(sink)
            await asyncio.Event().wait()

    (source,) = load_config(written(site, GOOD)).plugged
    counters, heard, table = Counters(), Heard(), SeriesTable()
    parts = DriverParts(
        Catalogue(), table, Clock("system"), counters, load_config(site / "gateway.toml").zone
    )
    driver = PluggedDriver(Keeping(source.settings, parts), source, parts)
    task = asyncio.create_task(driver.run(heard))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    yield kept[0], heard, counters, table
    task.cancel()
    await asyncio.wait([task])


async def test_only_readings_of_its_own_devices_pass(
    guarded: tuple[Sink, Heard, Counters, SeriesTable],
) -> None:
    sink, heard, counters, table = guarded
    mine = table.index(SeriesKey("temperature", "clock-1", "main/301"))
    others = table.index(SeriesKey("smoke", "smoke-301", "main/301"))
    sink.readings(Chunk([mine, others, mine], [1, 2, 3], [20.0, 1.0, 21], [0, 0, 1]))
    assert (heard.chunk.series, heard.chunk.value) == ([mine, mine], [20.0, 21.0])
    assert counters.dropped[UNUSABLE] == 1


ANYTHING = st.none() | st.integers() | st.floats() | st.text(max_size=3) | st.lists(st.integers(), max_size=1)
ROW: st.SearchStrategy[tuple[Any, ...]] = st.tuples(
    st.sampled_from([0, 0, 0, 1, -1, None]),
    st.sampled_from([NOON_MS, NOON_MS, NOON_MS, 2**60, 1.5]),
    st.sampled_from([20.5, 20, math.nan, -math.inf, 10**400, "20.5"]),
    st.sampled_from([0, 1, Quality.STALE, 9, None, []]),
)


def is_reading(row: tuple[Any, ...]) -> bool:
    return row[0] == 0 and row[1] == NOON_MS and row[2] in {20.5, 20} and row[3] in (0, 1, Quality.STALE)


@given(rows=st.lists(ROW, max_size=20), odd=st.lists(ANYTHING, max_size=2), observation=ANYTHING)
async def test_whatever_a_driver_gives_what_passes_is_a_reading(
    rows: list[tuple[Any, ...]], odd: list[Any], observation: Any
) -> None:
    counters, heard, table = Counters(), Heard(), SeriesTable()
    parts = DriverParts(Catalogue(), table, Clock("system"), counters, ZoneInfo("Asia/Shanghai"))
    sink = GuardedSink(heard, frozenset({"clock-1"}), "clockwork", parts)
    table.index(SeriesKey("temperature", "clock-1", "main/301"))
    sink.readings(Chunk(*(list(column) for column in zip(*rows, strict=True))))
    good = [row for row in rows if is_reading(row)]
    chunk = heard.chunk
    assert list(zip(chunk.series, chunk.time_ms, chunk.value, chunk.quality, strict=True)) == good
    assert all(type(value) is float for value in chunk.value)
    assert counters.dropped[UNUSABLE] == len(rows) - len(good)
    sink.readings(Chunk(odd, [1], odd, []))
    sink.readings(observation)
    sink.check(observation)
    sink.tap(observation)
    assert heard.people == []
    assert len(heard.chunk) == len(good)


async def test_observations_of_people_are_checked_field_by_field(
    guarded: tuple[Sink, Heard, Counters, SeriesTable],
) -> None:
    sink, heard, counters, _ = guarded
    good = CheckObservation(1, "clock-1", "main/301", None, "forehead", 36.5)
    tap = TapObservation(1, "clock-2", "main/302", "card:0102")
    sink.check(good)
    sink.tap(tap)
    assert heard.people == [good, tap]
    for bad in (
        good._replace(device="station-gate"),
        good._replace(temperature_c=math.nan),
        good._replace(site="elbow"),  # type: ignore[arg-type]
        good._replace(time_ms="now"),  # type: ignore[arg-type]
    ):
        sink.check(bad)
    sink.tap(tap._replace(device="door"))
    assert len(heard.people) == 2
    assert counters.dropped[UNUSABLE] == 5


async def test_reasons_are_words_and_few(guarded: tuple[Sink, Heard, Counters, SeriesTable]) -> None:
    sink, heard, _, _ = guarded
    sink.refused("clock-1", "not_a_number", 7)
    sink.refused("张三", "not_a_number", 7)
    sink.refused("clock-1", "bad card 04A1B2C3", 7)
    for number in range(100):
        sink.refused("clock-1", f"reason_{number}", 1)
    assert heard.reasons[:3] == [
        ("clock-1", "not_a_number", 7),
        ("unknown", "not_a_number", 7),
        ("clock-1", UNUSABLE, 7),
    ]
    assert len({reason for _, reason, _ in heard.reasons}) == 33
