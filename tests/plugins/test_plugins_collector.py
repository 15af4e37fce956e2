"""Scenarios and notifiers of plug-ins at a collector: what they may, and what their faults cost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from collector.cli import app
from collector.config import CollectorConfig, load_config
from collector.notifiers.contract import Notice
from collector.notifiers.plugin import NotifierPlugin
from collector.plugins import make
from collector.scenarios import event_rules
from collector.scenarios.contract import Finding, Rules
from collector.scenarios.kinds import AlertKind, AlertKinds
from collector.scenarios.plugin import FindingError, GuardedRule, ScenarioPlugin
from collector.text import Text
from foundation.keyfiles import create_signing_key
from foundation.plugins import PluginError
from foundation.tomlfile import FileProblems, StrictModel
from telemetry.batch import Body
from telemetry.limits import Limits, default_limits
from tests.collector.conftest import (
    CO2,
    NOW_MS,
    PSEUDONYM,
    FaultyStore,
    Lab,
    Sender,
    check,
    column,
    eventually,
)
from tests.collector.record_databases import RecordsDatabase
from tests.plugins.plugin_parts import write_distribution

MODULE = "tests.plugins.test_plugins_collector"
SAMPLE = Path(__file__).parents[2] / "collector" / "collector.sample.toml"
STUFFY = AlertKind("airing.stuffy", Text("空气不佳", "Stuffy air"), "ppm", "room", "hint")
UNWELL = AlertKind("airing.unwell", Text("不适", "Unwell"), "Cel", "health")


class AiringSettings(StrictModel):
    limit_ppm: float = 1_500.0
    mood: str = "well"


class StuffyRule:
    """CO2 above a limit, once for a device; or what its mood makes of it."""

    def __init__(self, limit_ppm: float, mood: str) -> None:
        self._limit_ppm, self._mood = limit_ppm, mood

    def findings(self, body: Body) -> Iterator[Finding]:
        at = 0
        for key, count in zip(body.series, body.counts, strict=True):
            for row in range(at, at + count):
                if key.quantity == "co2" and body.value[row] > self._limit_ppm:
                    yield Finding(
                        STUFFY.name,
                        key.device,
                        key.device,
                        key.place,
                        body.time_ms[row],
                        body.value[row],
                        "ppm",
                    )
                    if self._mood == "raises":
                        raise RuntimeError(f"a value of {body.value[row]} ppm")
            at += count


def make_airing(given: Any, limits: Limits) -> Rules:
    assert isinstance(limits, Limits)
    if given.mood == "unmade":
        raise RuntimeError("no air")
    return Rules(readings=[StuffyRule(given.limit_ppm, given.mood), StuffyRule(9e9, "well")])


class BookSettings(StrictModel):
    file: Path
    token: int = 0

    def relative_to(self, base: Path) -> BookSettings:
        return self.model_copy(update={"file": base / self.file})


class Book:
    def __init__(self, given: Any) -> None:
        self.settings = given

    async def notify(self, notice: Notice) -> None: ...


def scenario(*kinds: AlertKind) -> ScenarioPlugin:
    return ScenarioPlugin(1, kinds, make_airing, AiringSettings)


class Needing(StrictModel):
    limit_ppm: float


AIRING = scenario(STUFFY, UNWELL)
BOOK = NotifierPlugin(1, BookSettings, Book)
BARE = scenario(STUFFY._replace(name="stuffy"))
STOLEN = scenario(STUFFY._replace(name="fever"))
LONG = scenario(STUFFY._replace(name="airing." + "x" * 26))
WORDLESS = scenario(STUFFY._replace(words=Text("", "Stuffy air")))
WRONG = scenario(STUFFY._replace(subject="money"))  # type: ignore[arg-type]
NEEDING = ScenarioPlugin(1, (STUFFY,), make_airing, Needing)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path / "site")
    create_signing_key(tmp_path / "collector.key")
    return tmp_path


def written(
    folder: Path, tables: str, enabled: str = '"airing"', plugin: str = "AIRING", name: str = "airing"
) -> Path:
    if not (folder / "site").exists():
        write_distribution(
            folder / "site",
            "acme-airing",
            {"scenarios": {name: f"{MODULE}:{plugin}"}, "notifiers": {name: f"{MODULE}:BOOK"}},
            {},
        )
    file = folder / "collector.toml"
    file.write_text(
        'mqtt = { host = "127.0.0.1" }\n[collector]\nkey_file = "collector.key"\ndata_dir = "data"\n'
        f"[plugins]\nenabled = [{enabled}]\n{tables}",
        "utf-8",
    )
    return file


def problems(file: Path) -> list[str]:
    with pytest.raises(FileProblems) as caught:
        load_config(file)
    return [str(problem) for problem in caught.value.problems]


NOTIFIER = '[[notifier]]\nname = "book"\nkind = "airing"\nfile = "book.txt"\n'


def test_rules_kinds_and_notifiers_of_a_plug_in_are_used(site: Path) -> None:
    config = load_config(written(site, f"[plugin.airing]\nlimit_ppm = 900\n{NOTIFIER}"))
    made = make(config.plugin.values(), config.notifier)
    assert len(made.rules.events) == len(event_rules(default_limits()))
    assert len(made.rules.readings) == 2
    assert made.kinds.find("airing.stuffy") == STUFFY
    ((section, book),) = made.notifiers
    assert (section.name, section.kind) == ("book", "airing")
    assert isinstance(book, Book)
    assert book.settings.file == site / "book.txt"
    assert load_config(written(site, "")).plugin["airing"].settings == AiringSettings(), (
        "the table may be left out"
    )


def test_without_a_word_in_the_configuration_there_is_none(site: Path) -> None:
    config = load_config(written(site, "", ""))
    made = make(config.plugin.values(), config.notifier)
    assert (list(made.rules.readings), made.notifiers) == ([], [])
    assert {kind.name for kind in made.kinds} == {"fever", "smoke", "gas_alarm", "co_alarm", "panic"}
    assert CollectorConfig.model_fields["notifier"].default == ()


@pytest.mark.parametrize(
    ("tables", "line", "words"),
    [
        ("[plugin.airing]\nlimit_ppn = 9", 8, "plugin.airing.limit_ppn is not a setting"),
        ("[plugin.airing]\nlimit_ppm = 'secret'", 8, "plugin.airing.limit_ppm must be a valid number"),
        ("[plugin.arring]", 7, "plug-in arring is not in plugins.enabled"),
        (NOTIFIER + "token = 'secret'", 11, "notifier[1].token must be a valid integer"),
        (NOTIFIER + "fiel = 1", 11, "notifier[1].fiel is not a setting"),
        (
            NOTIFIER.replace('"airing"', '"pager"'),
            9,
            "there is no notifier 'pager'; there are airing, webhook",
        ),
        (
            NOTIFIER + 'kinds = ["smok"]',
            11,
            "there is no alert kind 'smok'; there are airing.stuffy, airing.unwell",
        ),
        (NOTIFIER + 'kinds = ["airing.unwell"]', 11, "says how somebody is: write health = true"),
        (NOTIFIER + "kinds = []", 7, "kinds is empty"),
        (NOTIFIER + NOTIFIER, 12, "two notifiers are called 'book'"),
        (NOTIFIER.replace('"book"', '"The Book"'), 8, "must be 1 to 63 lower-case letters"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(site: Path, tables: str, line: int, words: str) -> None:
    (said,) = problems(written(site, tables))
    assert words in said
    assert f"collector.toml:{line}: " in said
    assert "secret" not in said


def test_the_notifier_of_the_sample_is_one(site: Path) -> None:
    text = SAMPLE.read_text("utf-8").partition("# [[notifier]]\n")[2].partition("\n\n")[0]
    table = "[[notifier]]\n" + "\n".join(line.removeprefix("# ") for line in text.splitlines())
    (found,) = load_config(written(site, table, "")).notifier
    assert found.settings.secret_file == site / "webhook.secret"
    assert set(found.section.kinds) <= {kind.name for kind in AlertKinds()}


@pytest.mark.parametrize(
    ("plugin", "words"),
    [
        ("BARE", "has the alert kind 'stuffy'; expected airing. and a word"),
        ("STOLEN", "has the alert kind 'fever'; expected airing. and a word"),
        ("LONG", "32 signs at most"),
        ("WORDLESS", "lacks words in both languages"),
        ("WRONG", "alert kind airing.stuffy is not as it must be: Invalid enum value 'money'"),
        ("NEEDING", "[plugin.airing] is missing, and it has settings without defaults"),
    ],
)
def test_kinds_are_the_plug_ins_own_and_have_words(site: Path, plugin: str, words: str) -> None:
    (said,) = problems(written(site, "", plugin=plugin))
    assert words in said
    assert "collector.toml:6: " in said


def test_the_name_of_a_bundled_notifier_is_taken(site: Path) -> None:
    (said,) = problems(written(site, "", '"webhook"', plugin="NONE", name="webhook"))
    assert "plug-in webhook has the name of a bundled notifier" in said


NONE = ScenarioPlugin(1, (), lambda given, limits: Rules())


def test_rules_that_cannot_be_made_are_an_error_in_words(site: Path) -> None:
    config = load_config(written(site, '[plugin.airing]\nmood = "unmade"'))
    with pytest.raises(PluginError, match=r"\(acme-airing 1.0, scenarios\) makes no rules: RuntimeError$"):
        make(config.plugin.values(), config.notifier)


def test_a_profile_of_the_schools_own_is_checked_at_the_start(site: Path) -> None:
    folder = site / "mine" / "acme"
    folder.mkdir(parents=True)
    (folder / "clock.toml").write_text('transport = "mqtt-json"\n', "utf-8")
    file = written(site, "", "")
    file.write_text('profile_dirs = ["mine"]\n' + file.read_text("utf-8"), "utf-8")
    assert any("clock.toml" in said and "name is missing" in said for said in problems(file))


def test_check_says_what_is_used_and_what_is_wrong(site: Path) -> None:
    said = CliRunner().invoke(app, ["check", str(written(site, NOTIFIER))])
    assert said.exit_code == 0, said.output
    assert all(f"✓ {words}" in said.output for words in ("plug-in airing", "notifier book (airing)"))
    for tables, words in (
        ('[plugin.airing]\nmood = "unmade"', "plug-in airing (acme-airing 1.0, scenarios) makes no rules"),
        (
            '[[notifier]]\nname = "w"\nkind = "webhook"\nurl = "https://a.example"\nsecret_file = "none"',
            "No such file",
        ),
    ):
        said = CliRunner().invoke(app, ["check", str(written(site, tables))])
        assert (said.exit_code, words in said.output) == (2, True), said.output


class Gives:
    """A rule that finds what it was made with."""

    def __init__(self, *found: Any) -> None:
        self._found = found

    def findings(self, body: Body) -> Iterable[Finding]:
        del body
        return self._found


EMPTY = Body([], [], [], [], [], [])
GOOD = Finding(STUFFY.name, "air-301", "air-301", "main/301", NOW_MS, 1_600.0, "ppm", limit=1_500.0)
SICK = Finding(
    UNWELL.name, "1", None, "main/301", NOW_MS, 38.0, "Cel", pseudonym=PSEUDONYM, record_type="morning_check"
)


def guarded(*found: Any) -> list[Finding]:
    return list(GuardedRule(Gives(*found), "airing", (STUFFY, UNWELL), 48).findings(EMPTY))


def test_good_findings_pass_and_no_more_than_a_hundred() -> None:
    assert guarded(GOOD, SICK) == [GOOD, SICK]
    assert len(guarded(*[GOOD] * 1_000)) == 100


@pytest.mark.parametrize(
    "bad",
    [
        GOOD._replace(kind="fever"), GOOD._replace(unit="Cel"), GOOD._replace(value=float("nan")),
        GOOD._replace(limit=float("inf")), GOOD._replace(at_ms=2**60), GOOD._replace(cause="x" * 49),
        GOOD._replace(place="x" * 257), GOOD._replace(place="a\0b"), GOOD._replace(device="\ud800"),
        (*GOOD[:5], "1600", *GOOD[6:]), (*GOOD[:4], 1.5, *GOOD[5:]), GOOD._replace(pseudonym=PSEUDONYM),
        GOOD._replace(class_id="3-2"), GOOD._replace(pseudonym=PSEUDONYM, record_type="morning_check"), SICK._replace(record_type=None), SICK._replace(record_type="diary"),
        SICK._replace(pseudonym=None, record_type=None), tuple(GOOD)[:5], None, "finding",
    ],
)  # fmt: skip
def test_what_is_no_finding_is_refused(bad: Any) -> None:
    with pytest.raises((FindingError, TypeError)):
        guarded(bad)


@pytest.fixture
async def make_lab(site: Path) -> AsyncIterator[Any]:
    """A line with the rules of the plug-in, as a collector makes it."""
    running: list[tuple[asyncio.Task[None], Lab]] = []

    async def make_one(sender: Sender, tables: str = "") -> Lab:
        config = load_config(written(site, tables))
        made = make(config.plugin.values(), config.notifier)
        records = RecordsDatabase(site / "records.db").open()
        records.add_gateway(sender.row)
        store = await FaultyStore.open(site / "series.duckdb")
        lab = Lab(records, store, made.rules.events, reading_rules=made.rules.readings)
        await lab.line.load()
        running.append((asyncio.create_task(lab.line.run(), name="line-under-test"), lab))
        return lab

    yield make_one
    for task, lab in running:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await lab.store.close()
        await lab.records.close()


async def test_readings_of_the_bulk_stream_raise_an_alert_once(make_lab: Any) -> None:
    sender = Sender()
    lab = await make_lab(sender)
    first = sender.batch(1, column(CO2, [1_600.0, 1_700.0]))
    await lab.send(first)
    await eventually(lambda: lab.stored() == {1})
    await lab.send(first, sender.batch(2, column(CO2, [1_800.0])), sender.batch(3, column(CO2, [600.0])))
    await eventually(lambda: lab.stored() == {1, 2, 3})
    (alert,) = await lab.records.find_alerts()
    assert (alert.kind, alert.device, alert.value, alert.unit) == (STUFFY.name, "air-301", 1_600.0, "ppm")
    assert lab.count("campus_alerts_total") == 1


async def test_what_comes_an_hour_late_raises_nothing(make_lab: Any) -> None:
    sender = Sender()
    lab = await make_lab(sender)
    await lab.send(
        sender.batch(1, column(CO2, [1_600.0], NOW_MS - 3_600_001), time_base_ms=NOW_MS - 3_600_001)
    )
    await eventually(lambda: lab.stored() == {1})
    assert await lab.records.find_alerts() == []
    assert lab.count("campus_findings_too_old_total") == 1


async def test_with_the_store_away_it_is_told_all_the_same_and_once(make_lab: Any) -> None:
    sender = Sender()
    lab = await make_lab(sender)
    lab.store.away = True
    await lab.send(sender.batch(1, column(CO2, [1_600.0])))
    await eventually(lambda: lab.count("campus_alerts_total") == 1)
    lab.store.away = False
    await asyncio.sleep(1.1)  # the line's pause
    await lab.send(sender.batch(1, column(CO2, [1_600.0])))
    await eventually(lambda: lab.stored() == {1})
    assert len(await lab.records.find_alerts()) == 1


async def test_a_rule_that_raises_costs_neither_batch_nor_other_rules(
    make_lab: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    sender = Sender()
    lab = await make_lab(sender, '[plugin.airing]\nmood = "raises"')
    await lab.send(sender.batch(1, column(CO2, [1_600.0])), sender.batch(2, column(CO2, [1_600.0])))
    await lab.send(sender.batch(1, stream="urgent", records=[check()]))
    await eventually(lambda: lab.stored() == {1, 2} and lab.received() == {1})
    assert [alert.kind for alert in await lab.records.find_alerts()] == ["fever"]
    await eventually(lambda: lab.count("campus_rule_failures_total", rule="airing") == 2)
    said = capsys.readouterr()
    assert (said.out + said.err).count("rule failed, its alerts are missing") == 1
    assert "1600" not in said.out + said.err


@given(
    st.lists(st.one_of(st.none(), st.integers(), st.floats(), st.text(max_size=60)), min_size=13, max_size=13)
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_a_rule_yields_what_passes_fits_the_database(fields: list[Any]) -> None:
    for mixed in (fields, [*GOOD[:4], *fields[4:]], [*fields[:6], *GOOD[6:]]):
        try:
            (found,) = guarded(tuple(mixed))
        except (FindingError, TypeError):
            continue
        assert found.kind in {STUFFY.name, UNWELL.name}
        assert len(found.cause) <= 48
        assert abs(found.at_ms) <= 2**53


def test_kinds_of_a_plug_in_join_the_others() -> None:
    kinds = AlertKinds([STUFFY])
    assert STUFFY.name in kinds
    assert kinds.find("fever") is not None
    assert AlertKinds().find(STUFFY.name) is None
