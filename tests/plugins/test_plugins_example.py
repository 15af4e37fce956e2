"""The example plug-in of docs/plugins.md, built, installed, and used by a real gateway and collector."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from device_profiles.cli import app as profiles
from tests.conftest import Mosquitto
from tests.line.running_site import Site, campus, eventually
from tests.plugins.plugin_parts import install_example

AIR = {"id": "air-302", "profile": "json/environment", "place": "main/302"}
COLD = """
[plugins]
enabled = ["cold_room"]

[[plugin.cold_room]]
name = "thermometers"
devices = [{ id = "cold-301", place = "main/301", file = "thermometer.txt", interval_s = 0.2 }]
"""
COLLECTOR = """
[plugins]
enabled = ["cold_room"]

[plugin.cold_room]
limit_c = 18.0

[[notifier]]
name = "duty-book"
kind = "cold_room"
file = "desk/duty-book.txt"
kinds = ["cold_room.too_cold"]

[places]
main = { zh = "教学楼", en = "Main building" }
"main/301" = { zh = "301 教室", en = "Room 301" }
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install_example(tmp_path_factory.mktemp("example"))


@pytest.fixture
def plugged(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every program of this test finds the example among what is installed."""
    monkeypatch.setenv("PYTHONPATH", str(installed))


@pytest.fixture
def site(tmp_path: Path, mosquitto: Mosquitto, plugged: None) -> Iterator[Site]:
    site = Site(tmp_path, mosquitto)
    yield site
    site.close()


def health_of(site: Site, part: str) -> str:
    components: dict[str, str] = httpx.get(f"{site.url}/healthz", timeout=30).json()["components"]
    return components[part]


def test_from_a_file_at_the_gateway_to_a_line_in_a_file_at_the_collector(site: Site) -> None:
    file = site.add_gateway("gw-cold", [AIR], tables=COLD)
    thermometer = file.parent / "thermometer.txt"
    thermometer.write_text("17200\n", "ascii")
    with site.collector_file.open("a", encoding="utf-8") as collector_file:
        collector_file.write(COLLECTOR)

    said = campus("plugins", "list", file, site.collector_file)
    assert said.returncode == 0
    rows = [line.split() for line in said.stdout.splitlines()]
    both = f"{file}, {site.collector_file}"
    assert ["cold_room", "drivers", "campus-cold-room", "1.0.0", *both.split()] in rows

    site.start_collector()
    said = campus("edge", "check", file, "--timeout", "1")
    assert "cold-301: temperature 17.2" in said.stdout, said.stderr
    site.start_gateway(file)

    def reading() -> dict[str, object] | None:
        found = site.get("/api/v1/series", device="cold-301", quantity="temperature")["items"]
        return found[0] if found else None

    series = eventually(reading, "the reading of the plug-in's driver is stored")
    assert series["model"] == "example-school/thermometer-file"
    assert series["latest"]["value"] == 17.2  # type: ignore[index]

    def alert() -> dict[str, object] | None:
        found = site.get("/api/v1/alerts")["items"]
        return found[0] if found else None

    raised = eventually(alert, "the plug-in's rule raises an alert")
    assert (raised["kind"], raised["place"], raised["value"]) == ("cold_room.too_cold", "main/301", 17.2)

    # Its file cannot be written yet; killed now, the collector tells it once it is back.
    def waiting() -> object:
        return "No such file" in health_of(site, "notifier duty-book")

    eventually(waiting, "it is tried in vain")
    assert site.collector is not None
    site.collector.kill()
    duty_book = site.folder / "desk" / "duty-book.txt"
    duty_book.parent.mkdir()
    site.start_collector()
    (line,) = eventually(
        lambda: duty_book.read_text("utf-8").splitlines() if duty_book.exists() else None, "it is told"
    )
    told = json.loads(line)
    assert (told["title"], told["place"]) == ("教室过冷", "教学楼 · 301 教室")
    page = httpx.get(f"{site.url}/?lang=zh", timeout=30).text
    assert all(words in page for words in ("教室过冷", "请检查门窗和暖气", "17.2 °C", "18.0 °C"))
    assert "匿名" not in page, "a cold room is nobody's"
    assert "Cold classroom" in httpx.get(f"{site.url}/?lang=en", timeout=30).text

    # A state in the words of the plug-in's profile; colder still, but told once a day.
    thermometer.write_text('{"millidegrees": 12000, "state": 1}', "ascii")

    def state() -> object:
        found = site.get("/api/v1/series", device="cold-301", quantity="status")["items"]
        return found[0]["latest"]["text"] if found else None

    assert eventually(state, "the status is stored") == {"zh": "暖气已关", "en": "Heating is off"}
    assert len(site.get("/api/v1/alerts")["items"]) == 1
    assert len(duty_book.read_text("utf-8").splitlines()) == 1
    assert site.metric("campus_notices_sent_total") == 1
    assert health_of(site, "notifier duty-book") == "ok"

    # A file that goes is a silent device like any other: nothing fails.
    thermometer.unlink()
    with sqlite3.connect(site.folder / "collector-data" / "records.db") as records:
        ((state_of_it, tries),) = records.execute("select state, tries from notices")
    assert (state_of_it, tries > 1) == ("sent", True)


LOADED = """
import sys
from pathlib import Path
from collector.config import load_config as load_collector
from edge_agent.config import load_config as load_gateway

def loaded():
    return sorted(name for name in sys.modules if name.startswith("campus_cold_room."))

load_gateway(Path(sys.argv[1]))
load_collector(Path(sys.argv[2]))
print(loaded())
load_gateway(Path(sys.argv[3]))
print(loaded())
"""


def test_installed_but_not_named_nothing_of_it_is_loaded(site: Site) -> None:
    plain = site.add_gateway("gw-plain", [AIR], register=False)
    named = plain.with_name("named.toml")
    enabled = '[plugins]\nenabled = ["cold_room"]\n[gateway]'
    named.write_text(plain.read_text("utf-8").replace("[gateway]", enabled, 1), "utf-8")
    done = subprocess.run(
        [sys.executable, "-c", LOADED, str(plain), str(site.collector_file), str(named)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    before, after = done.stdout.splitlines()
    assert before == "[]"
    assert after == "['campus_cold_room.driver', 'campus_cold_room.profiles']", "and nothing for a collector"


def test_its_profiles_are_listed_with_where_they_come_from(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(installed)
    runner = CliRunner()
    said = runner.invoke(profiles, ["list", "thermometer-file", "--plugin", "cold_room"])
    assert said.output.rstrip().split("\t")[-1] == "plug-in cold_room"
    assert runner.invoke(profiles, ["list", "thermometer-file"]).output == ""
    said = runner.invoke(profiles, ["list", "tasmota/energy"])
    assert said.output.rstrip().split("\t")[-1] == "bundled"
    said = runner.invoke(profiles, ["list", "--plugin", "warm_room"])
    assert (said.exit_code, "plug-in warm_room is not installed" in said.output) == (2, True)
    said = runner.invoke(profiles, ["show", "example-school/thermometer-file", "--plugin", "cold_room"])
    assert "文件温度计" in said.output
