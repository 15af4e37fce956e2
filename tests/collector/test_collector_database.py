"""`campus collector database …` by hand, and a whole collector on PostgreSQL."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from collector.cli import app
from collector.config import load_config
from collector.intake.line import wall_ms
from collector.records import Gateway, Records, RecordsFileError
from foundation.broker import BrokerSettings, connect
from foundation.keyfiles import create_signing_key, load_signing_key
from foundation.tomlfile import FileProblems
from telemetry.topics import topic
from tests.collector.conftest import NOW_MS, SCHOOL, Sender, check
from tests.collector.kept_records import RECORDS, keep
from tests.collector.old_records import write_old_file
from tests.collector.record_databases import KEY
from tests.line.running_site import Site, eventually
from tests.postgresql import PostgreSql


def campus(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(one) for one in arguments], env={"COLUMNS": "200"})


def database(command: str, config: Path, *arguments: str | Path) -> str:
    """What a command that succeeds prints, as single words."""
    result = campus("database", command, config, *arguments)
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


def _replace(file: Path, old: str, new: str) -> None:
    file.write_text(file.read_text("utf-8").replace(old, new), "utf-8")


def refused(result: Result, words: str) -> None:
    assert result.exit_code == 2, result.output
    assert words in result.stderr
    assert "Traceback" not in result.output


@pytest.fixture
def config(tmp_path: Path) -> Path:
    create_signing_key(tmp_path / "collector.key")
    file = tmp_path / "collector.toml"
    file.write_text(
        '[collector]\nkey_file = "collector.key"\ndata_dir = "data"\n[mqtt]\nhost = "127.0.0.1"\n', "utf-8"
    )
    return file


def test_an_old_file_by_hand(config: Path, tmp_path: Path) -> None:
    refused(campus("database", "status", config), "there is no")
    refused(campus("database", "upgrade", config), "the collector makes it at its first start")
    file = tmp_path / "data" / "records.db"
    file.parent.mkdir()
    write_old_file(file, "0002")
    assert "revision 0002; this program needs 0005, run: campus collector" in database("status", config)
    refused(campus("gateway", "list", config), "run: campus collector database upgrade CONFIG")
    assert "from revision 0002 to 0005 as it was before:" in database("upgrade", config)
    assert (tmp_path / "data" / "records.db.before-0002").exists()
    status = database("status", config)
    assert "revision 0005, this program's key 1, of this collector's key file size" in status
    assert "heart_rate_windows 1" in status
    assert "at revision 0005 already" in database("upgrade", config)

    refused(campus("database", "downgrade", config, "--to", "0009"), "--to '0009': there are 0001, 0002")
    lost = campus("database", "downgrade", config, "--to", "0001")
    refused(lost, "has no place for these rows: 1 of access_events, 1 of class_pseudonyms")
    assert "from revision 0005 to 0002" in database("downgrade", config, "--to", "0002")
    assert "from revision 0002 to 0001" in database("downgrade", config, "--to", "0001", "--yes")
    with sqlite3.connect(file) as connection:
        assert connection.execute("SELECT temperature_c FROM morning_checks").fetchall() == [(38.2,)]
    connection.close()
    assert "from revision 0001 to 0005" in database("upgrade", config)


async def test_keys_are_changed_by_hand(config: Path, tmp_path: Path) -> None:
    loaded = load_config(config)
    records = Records.open(loaded.records_place, load_signing_key(loaded.collector.key_file))
    await keep(records, RECORDS, NOW_MS)
    await records.close()
    assert "3 rows sealed anew, under key 2" in database("rekey", config)
    create_signing_key(tmp_path / "new.key")
    _replace(config, "collector.key", "new.key")
    refused(campus("database", "rekey", config), "rekey CONFIG --old-key-file FILE")
    assert "key of another key file than this collector's" in database("status", config)
    refused(campus("database", "rekey", config, "--old-key-file", tmp_path / "none"), "cannot be read")
    old = tmp_path / "collector.key"
    assert "3 rows sealed anew, under key 3" in database("rekey", config, "--old-key-file", old)
    assert "key 3, of this collector's key file" in database("status", config)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ('database = "postgresql+psycopg://campus:geheim@db/campus"', "records database: holds a password"),
        ('database = "postgresql+psycopg://db/campus?password=geheim"', "records database: holds a password"),
        ('database = "postgresql://campus@db/geheim"', "write sqlite:///file or postgresql+psycopg://"),
        ('database = "mysql://campus@db/geheim"', "write sqlite:///file or postgresql+psycopg://"),
        ('database = "postgresql+psycopg://campus@db"', "write sqlite:///file or postgresql+psycopg://"),
        ('database = "geheim"', "cannot be read; write sqlite:///file or"),
        ('upgrade = "geheim"', "upgrade must be 'auto' or 'command'"),
    ],
)
def test_an_address_that_cannot_be_meant_is_told_and_not_shown(
    config: Path, setting: str, words: str
) -> None:
    config.write_text(f"{config.read_text('utf-8')}\n[records]\n{setting}\n", "utf-8")
    with pytest.raises(FileProblems) as caught:
        load_config(config)
    assert words in str(caught.value)
    assert ("geheim" in str(caught.value)) == setting.startswith("upgrade")


def test_an_sqlite_file_lies_where_its_path_says(config: Path, tmp_path: Path) -> None:
    config.write_text(f'{config.read_text("utf-8")}\n[records]\ndatabase = "sqlite:///other/r.db"\n', "utf-8")
    assert campus("gateway", "list", config).exit_code == 0
    assert (tmp_path / "other" / "r.db").stat().st_mode & 0o777 == 0o600
    assert not (tmp_path / "data").exists()
    absolute = f"sqlite:////{str(tmp_path / 'third.db').lstrip('/')}"
    _replace(config, "sqlite:///other/r.db", absolute)
    assert campus("gateway", "list", config).exit_code == 0
    assert (tmp_path / "third.db").exists()


def test_a_folder_without_rights_is_told() -> None:
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o555)
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            if os.getuid() == 0:
                os.setuid(65_534)  # whom rights bind
            Records.open(folder / "records.db", KEY)
        except RecordsFileError as error:
            os.write(writing, str(error).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with os.fdopen(reading) as said:
        assert (
            "unable to open database file; is it a folder, or may this user not write there?" in said.read()
        )
    folder.rmdir()


async def test_a_whole_collector_on_postgresql(site: Site, postgresql: PostgreSql) -> None:
    where = postgresql.new_schema()
    text = site.collector_file.read_text("utf-8")
    site.collector_file.write_text(f'{text}\n[records]\ndatabase = "{where}"\n', "utf-8")
    sender = Sender()
    records = Records.open(where, load_signing_key(site.folder / "collector.key"))
    records.add_gateway(Gateway(SCHOOL, "gw-1", sender.row.public_key, sender.row.key_id, "active", 1))
    site.start_collector()
    now_ms = wall_ms()
    message = sender.batch(1, stream="urgent", records=[check(time_ms=now_ms)], time_base_ms=now_ms)
    async with connect(BrokerSettings(host=site.broker.host, port=site.broker.port), "gateway") as link:
        await link.publish(topic(SCHOOL, "gw-1", "urgent"), message.data)
    (alert,) = eventually(site.alerts, "an alert from PostgreSQL on the page's API")
    assert (alert["kind"], alert["value"]) == ("fever", 38.2)
    assert len(await records.find_alerts()) == 1
    assert not (site.folder / "collector-data" / "records.db").exists()
    assert site.collector is not None
    assert site.collector.stop() == 0
    assert "Traceback" not in site.collector.log()
    await records.close()
