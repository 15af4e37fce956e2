"""What is kept of the collector's configuration, and what a person sees and does of it at the gateway."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edge_agent.cli import app
from edge_agent.config import load_config
from edge_agent.configuring.kept import FILE_BYTES_MAX, Kept, KeptFile, KeptFileError, Version
from edge_agent.folderlock import folder_locked
from foundation.keyfiles import public_text
from foundation.wholefile import write_whole
from telemetry.decoding import INT_MAX
from tests.edge.configuring_parts import CollectorDouble, bus, sections, write_gateway

LOCAL = "[batch]\ninterval_s = 7.0\n" + bus("hall", 1, 1, 2)
USED = Version(5, sections(bus("hall", 2) + "[uplink]\nresend_s = 5.0\n"))


def said(*arguments: object, code: int = 0) -> str:
    outcome = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["configuration", *map(str, arguments)])
    assert outcome.exit_code == code, outcome.output
    return outcome.output


@pytest.fixture
def gateway(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return write_gateway(tmp_path, CollectorDouble().signer, LOCAL)


@pytest.fixture
def file(gateway: Path) -> KeptFile:
    return KeptFile(gateway.parent / "data", load_config(gateway).collector.public_key)


def test_a_version_and_those_before_it(file: KeptFile) -> None:
    first = Kept().take(USED)
    assert first == Kept(newest=5, used=USED, proven=Version(), starts=1)
    six = Version(6, {})
    assert first.take(six) == Kept(newest=6, used=six, proven=Version(), starts=1), "5 has proven nothing"
    assert first.prove().take(six) == Kept(newest=6, used=six, proven=USED, starts=1)
    back = first.prove().take(six).go_back("why")
    assert back == Kept(newest=6, used=USED, refused=6, reason="why")
    assert back.take(Version(7, {})).refused is None
    assert back.reset("by hand") == Kept(newest=6, refused=6, reason="by hand")
    assert Kept().begin_again() == Kept()
    for kept in (Kept(), first, back):
        file.write(kept)
        assert file.read() == kept
    assert file.path.stat().st_mode & 0o777 == 0o600


def test_a_damaged_file_is_never_believed(file: KeptFile) -> None:
    file.write(Kept().take(USED))
    good = file.path.read_bytes()
    for at in range(0, len(good), 7):
        for damaged in (good[:at], good[:at] + bytes((good[at] ^ 1,)) + good[at + 1 :]):
            file.path.write_bytes(damaged)
            with pytest.raises(KeptFileError, match="is damaged"):
                file.read()
    file.path.write_bytes(good + b" " * FILE_BYTES_MAX)
    with pytest.raises(KeptFileError, match="is damaged"):
        file.read()


def test_of_another_collector_neither_devices_nor_numbers_count(file: KeptFile, gateway: Path) -> None:
    """Whoever had the key of the one before could have used the highest number there is."""
    file.write(Kept(newest=INT_MAX, used=Version(INT_MAX, USED.sections)))
    other = KeptFile(gateway.parent / "data", public_text(CollectorDouble().signer.public_key))
    assert other.read() == Kept()
    assert file.read().newest == INT_MAX, "nothing is lost by looking"
    # A file of before this was noted is believed.
    body = file.path.read_bytes().partition(b"\n")[2].replace(b'"collector"', b'"formerly"')
    write_whole(file.path, f"{zlib.crc32(body):08x}\n".encode() + body)
    assert other.read().newest == INT_MAX


def test_a_file_of_a_newer_program_is_told_apart(file: KeptFile) -> None:
    file.write(Kept(format=2))
    with pytest.raises(KeptFileError, match="format 2 is not known, 1 is"):
        file.read()


def test_what_cannot_be_replaced_stays(tmp_path: Path) -> None:
    path = tmp_path / "small"
    write_whole(path, b"old")
    path.with_name("small.new").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"


def test_show_tells_what_is_from_where(gateway: Path, file: KeptFile) -> None:
    text = said(gateway)
    assert "gateway.toml 单独生效 alone is in force" in text
    assert "2 devices" in text
    file.write(Kept().take(USED))
    text = said(gateway, "show")
    assert "version 5 of the collector is in force, 2 sections (试运行中 on probation)" in text
    rows = {line.split("│")[1].strip(): line for line in text.splitlines() if "│" in line}
    assert "平台 collector, 5" in rows["modbus/hall"]
    assert '{"devices":' in rows["modbus/hall"]
    assert "平台 collector, 5" in rows["uplink"]
    assert "gateway.toml" in rows["batch"]
    assert "默认 default" in rows["report"]


def test_show_tells_what_is_not_in_force_and_why(gateway: Path, file: KeptFile) -> None:
    file.write(Kept().take(Version(5, sections(bus("lab", 1)))))
    text = said(gateway)
    assert "version 5 of the collector is not: it no longer fits gateway.toml: modbus/lab: tcp:" in text
    file.path.write_bytes(b"x")
    assert "is damaged, or somebody has changed it by hand" in said(gateway)
    assert file.path.read_bytes() == b"x", "looking changes nothing"


def test_reset_goes_back_to_the_file(gateway: Path, file: KeptFile) -> None:
    assert "nothing to set back" in said(gateway, "reset")
    file.write(Kept().take(USED).prove())
    assert "set back to gateway.toml" in said(gateway, "reset")
    text = said(gateway)
    assert "alone is in force; version 5 is not: set back by hand" in text
    assert file.read().newest == 5
    file.path.write_bytes(b"x")
    assert "put aside" in said(gateway, "reset")
    assert not file.path.exists()


def test_reset_waits_for_nobody(gateway: Path, file: KeptFile) -> None:
    file.write(Kept().take(USED))
    with folder_locked(file.path.parent):
        text = said(gateway, "reset", code=2)
    assert "is in use: another gateway works with it; stop that one" in text
    assert file.read().used == USED
