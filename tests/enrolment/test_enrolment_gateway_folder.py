"""Where an enrolment writes: a slip of the keyboard makes no folder and costs no code."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from campus.cli import build
from edge_agent.config import load_config
from edge_agent.enrolment.folder import prepare_folder
from edge_agent.enrolment.keyset import new_sets
from foundation.commands import UsageError
from tests.enrolment.collector_double import CODE, GATEWAY, SCHOOL, CollectorDouble

NOBODY = 65534


@pytest.fixture
def double(tmp_path: Path) -> Iterator[CollectorDouble]:
    with CollectorDouble(tmp_path / "double").listening() as made:
        yield made


def enrol(url: str, folder: Path, code: str = CODE) -> Result:
    arguments = ["gateway", "enrol", url, "--code", code, "--folder", str(folder)]
    return CliRunner().invoke(build("gateway"), arguments, env={"COLUMNS": "200"})


def test_only_the_last_part_is_made_and_said(double: CollectorDouble, tmp_path: Path) -> None:
    folder = tmp_path / "gateway"
    done = enrol(double.url, folder)
    assert done.exit_code == 0, done.output
    assert f"新建文件夹 folder made: {folder}" in done.output
    assert load_config(folder / "gateway.toml").gateway.id == GATEWAY
    assert "folder made" not in enrol(double.url, folder).output


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (
            "gatway/campus",
            "没有文件夹 there is no folder {0}/gatway to make campus in; check the spelling, or",
        ),
        ("a.toml", "{0}/a.toml 是文件 is a file"),
        ("a.toml/campus", "{0}/a.toml 是文件 is a file; check the spelling"),
    ],
)
def test_a_slip_makes_nothing_and_costs_no_code(
    double: CollectorDouble, tmp_path: Path, place: str, words: str
) -> None:
    (tmp_path / "a.toml").touch()
    before = sorted(tmp_path.rglob("*"))
    said = enrol(double.url, tmp_path / place)
    assert said.exit_code == 2
    assert words.format(tmp_path) in said.output
    assert double.questions == []
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_that_takes_no_files_is_not_said_to_be_missing() -> None:
    with pytest.raises(UsageError, match=r"/proc cannot be written: .*; or give another folder"):
        prepare_folder(Path("/proc"))


def test_what_was_made_for_nothing_is_gone(double: CollectorDouble, tmp_path: Path) -> None:
    folder = tmp_path / "gateway"
    assert enrol(double.url, folder, code="2222-2222").exit_code == 1
    assert not folder.exists()
    folder.mkdir()
    (folder / "notes.txt").touch()
    assert enrol(double.url, folder, code="2222-2222").exit_code == 1
    assert (folder / "notes.txt").exists()


@pytest.fixture
def passable() -> Iterator[Path]:
    """A folder into which everybody may look, as the ones above pytest's are not."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@contextlib.contextmanager
def stranger() -> Iterator[None]:
    """Whoever runs this has no rights over what was made before."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


@pytest.mark.parametrize("name", ["", "new"])
def test_a_folder_of_somebody_else_is_said(passable: Path, name: str) -> None:
    locked = passable / "gateway"
    locked.mkdir(mode=0o500)
    whose = (
        f"belongs to user {passable.stat().st_uid}: run the same command as that user; or give another folder"
    )
    with (
        stranger(),
        pytest.raises(UsageError, match=f"{locked / name} cannot be written: Permission denied.*{whose}"),
    ):
        prepare_folder(locked / name)
    assert list(locked.iterdir()) == []


def test_keys_of_somebody_else_are_said(passable: Path) -> None:
    keys = passable / "keys"
    keys.mkdir(mode=0o500)
    with (
        stranger(),
        pytest.raises(UsageError, match=f"{keys} cannot be written: Permission denied; .* belongs to"),
    ):
        new_sets(keys, ())


def test_a_gateway_that_is_there_already_is_named(double: CollectorDouble, tmp_path: Path) -> None:
    folder = tmp_path / "gateway"
    assert enrol(double.url, folder).exit_code == 0
    again = enrol(double.url, folder)
    assert f"there is a gateway here already, replaced when all is good: {SCHOOL}/{GATEWAY}" in again.output
    file = folder / "gateway.toml"
    file.write_text(file.read_text("utf-8").replace(f'"{GATEWAY}"', '"gw-999"'), "utf-8")
    (folder / "data").mkdir()
    other = enrol(double.url, folder)
    assert other.exit_code == 0, other.output
    assert f"replaced when all is good: {SCHOOL}/gw-999" in other.output
    assert f"what the gateway of before has not sent stays in {folder / 'data'}" in other.output
    assert "stays in" not in again.output
