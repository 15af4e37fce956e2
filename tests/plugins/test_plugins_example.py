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
file = "duty-book.txt"
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


def test_from_a_file_at_the_gateway_to_a_line_in_a_file_at_the_collector(site: Site) -> None:
    file = site.add_gateway("gw-cold", [AIR], tables=COLD)
    thermometer = file.parent / "thermometer.txt"
    thermometer.write_text("17200\n", "ascii")
    with site.collector_file.open("a", encoding="utf-8") as collector_file:
        collector_file.write(COLLECTOR)

    said = campus("collector", "check", site.collector_file)
    assert (said.returncode, "notifier duty-book (cold_room)" in said.stdout) == (0, True), said.stderr
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
    duty_book = site.folder / "duty-book.txt"
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
    assert site.get("/healthz")["components"]["notifier duty-book"] == "ok"

    # A file that goes is a silent device like any other: nothing fails.
    thermometer.unlink()
    with sqlite3.connect(site.folder / "collector-data" / "records.db") as records:
        assert records.execute("select state, tries from notices").fetchall() == [("sent", 1)]


LOADED = """
import sys
from pathlib import Path
from {module} import load_config
load_config(Path({file!r}))
print([name for name in sys.modules if name.startswith("campus_cold_room")])
"""


def test_installed_but_not_named_nothing_of_it_is_loaded(site: Site, installed: Path) -> None:
    file = site.add_gateway("gw-plain", [AIR], register=False)
    assert (installed / "campus_cold_room").is_dir()
    for module, config in (("edge_agent.config", file), ("collector.config", site.collector_file)):
        script = LOADED.format(module=module, file=str(config))
        assert _python(script) == "[]"
    named = file.read_text("utf-8").replace("[gateway]", '[plugins]\nenabled = ["cold_room"]\n[gateway]', 1)
    file.write_text(named, "utf-8")
    assert "campus_cold_room.driver" in _python(LOADED.format(module="edge_agent.config", file=str(file)))
    said = campus("profile", "list", "thermometer-file", "--plugin", "cold_room")
    assert said.stdout.split("\t")[-1].strip() == "plug-in cold_room"
    assert campus("profile", "list", "thermometer-file").stdout == ""


def _python(script: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.strip()


def test_without_the_distribution_start_and_check_say_what_is_missing(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONPATH")
    file = site.add_gateway("gw-cold", [AIR], tables=COLD, register=False)
    for command in ("run", "check"):
        said = campus("edge", command, file)
        assert said.returncode == 2
        assert "plug-in cold_room is not installed in this program's environment" in said.stderr
        assert "Traceback" not in said.stderr
