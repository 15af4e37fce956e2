"""The demo, as a new user starts it: without a terminal, to its end, or stopped by Ctrl-C."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.line.running_site import campus, eventually

LAST_LINE = re.compile(r"all ([\d,]+) acknowledged readings are in the store")


@contextmanager
def _demo(folder: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    output = folder / "output.txt"
    with (
        output.open("w") as file,
        subprocess.Popen(
            [sys.executable, "-m", "campus", "demo", "--dir", str(folder / "site"), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | {"COLUMNS": "200"},
        ) as process,
    ):
        try:
            yield process, output
        finally:
            process.kill()


def _acknowledged(output: str) -> int:
    found = LAST_LINE.search(output.splitlines()[-1])
    assert found, output
    return int(found[1].replace(",", ""))


def test_it_runs_to_its_end_and_finds_every_reading_again(tmp_path: Path) -> None:
    with _demo(tmp_path, "--duration", "8") as (process, output):
        page = eventually(lambda: re.search(r"http://127\.0\.0\.1:\d+/", output.read_text()), "the address")
        eventually(lambda: _has_readings(page[0]), "readings come out of the API while it runs")
        assert httpx.get(page[0]).status_code == 200
        assert process.wait(60) == 0, output.read_text()
    assert _acknowledged(output.read_text()) > 500


def _has_readings(page: str) -> bool:
    try:
        answer = httpx.get(f"{page}api/v1/series", params={"quantity": "co2"})
    except httpx.TransportError:
        return False
    return answer.status_code == 200 and len(answer.json()["items"]) > 3


def test_ctrl_c_stops_it_cleanly(tmp_path: Path) -> None:
    with _demo(tmp_path) as (process, output):
        eventually(lambda: re.search(r"acknowledged [1-9]", output.read_text()), "it has run for a while")
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0, output.read_text()
    assert _acknowledged(output.read_text()) > 0
    assert "Traceback" not in output.read_text()


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    refused = campus("demo", "--dir", tmp_path, "--duration", "1")
    assert refused.returncode == 2
    assert "has other things in it" in refused.stderr
    assert (tmp_path / "thesis.txt").read_text() == "years of work"
