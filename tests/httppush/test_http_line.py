"""The whole line with real processes: simulated stations, gateway, mosquitto, collector, its API."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulators.pupils import check_at
from simulators.school import DEFAULT_SEED, School
from tests.conftest import Mosquitto, free_port
from tests.line.running_site import Site, campus, eventually
from tests.line.site_vault import Holder

PASSWORD, TOKEN = "correct horse", "0123456789abcdef0123"
TABLES = """
[metrics]
port = {metrics}
[[http]]
name = "stations"
port = {port}
[[http.devices]]
id = "gate-1"
profile = "hikvision/isapi"
place = "main/gate"
username = "terminal"
password_file = "gate-1.password"
[[http.devices]]
id = "air-1"
profile = "json/environment-http"
place = "main/301"
token_file = "air-1.token"
"""


@pytest.fixture
def site(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[Site]:
    made = Site(tmp_path, mosquitto)
    yield made
    made.close()


def curl(*arguments: str) -> str:
    """With curl, as anybody would; the status of the answer."""
    found = subprocess.run(
        ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-m", "30", *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    return found.stdout


def test_checks_and_readings_of_posting_devices_reach_the_collector(site: Site, tmp_path: Path) -> None:
    school = School(DEFAULT_SEED)
    expected = [check_at(school.seed, school.pupils, number) for number in range(12)]
    pseudonyms = {one.card: f"{number:026d}" for number, one in enumerate(school.pupils)}
    site.cards = {one.card: Holder({"health": pseudonyms[one.card]}, one.class_id) for one in school.pupils}
    port, metrics = free_port(), free_port()
    spare = {"id": "spare-1", "profile": "json/environment", "place": "main/301"}
    gateway = site.add_gateway("gw-http", [spare], tables=TABLES.format(port=port, metrics=metrics))
    for name, text in {"gate-1.password": PASSWORD, "air-1.token": TOKEN}.items():
        (gateway.parent / name).write_text(text, "utf-8")
        (gateway.parent / name).chmod(0o600)
    url = f"http://127.0.0.1:{port}"

    site.start_collector()
    process = site.start_gateway(gateway)
    process.wait_for("listening for posts")
    station = ("simulate", "http", f"{url}/gate-1", "--username", "terminal", "--interval", "0",
               "--password-file", gateway.parent / "gate-1.password")  # fmt: skip
    told = campus(*station, "--count", "12", "--pictures", "2", "--fault", "rubbish", "--fault", "cut-off")
    assert told.stdout == "Answered: 12 × 200, 12 × 400\n", told.stdout + told.stderr

    picture, message = tmp_path / "face.jpg", '{"co2": 812}'
    picture.write_bytes(b"\xff\xd8" + bytes(300_000))
    assert curl(f"{url}/air-1", "-d", message) == "401"
    assert curl(f"{url}/air-1/wrong-token-wrong-token", "-d", message) == "401"
    form = ("-F", f"reading={message};type=application/json", "-F", f"picture=@{picture};type=image/jpeg")
    assert curl(f"{url}/air-1/{TOKEN}", *form) == "200"
    eventually(lambda: [value for _, value in site.points("air-1", "co2")] == [812.0], "the reading")

    known = [one for one in expected if one.pupil is not None]
    anonymous = [one for one in expected if one.pupil is None and one.has_fever]
    metrics_url = f"http://127.0.0.1:{metrics}"
    eventually(
        lambda: site.metric("campus_edge_records_stored_total", metrics_url) == len(known + anonymous),
        "the checks are stored",
    )
    assert process.stop() == 0
    log = process.log()
    for secret in (PASSWORD, TOKEN, "wrong-token", *(one.card for one in expected)):
        assert secret not in log
    for one in expected:
        assert str(int(one.card, 16)) not in log
