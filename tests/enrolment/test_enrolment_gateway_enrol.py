"""`campus gateway enrol` against a collector that keeps the protocol, and one that does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner, Result

from campus.cli import build
from edge_agent.config import load_config
from edge_agent.enrolment.keyset import KeySets
from foundation.keyfiles import create_signing_key, load_signing_key, public_text
from telemetry.enrolment import Answer, Endpoint
from tests.enrolment.collector_double import CODE, GATEWAY, SCHOOL, VAULT, CollectorDouble
from tests.enrolment.killing import killed_before

DEVICES = """\
# 楼层三 third floor
profile_dirs = []

[batch]                 # sooner than usual
interval_s = 1.0

[gateway]
id = "gw-301"
school = "example-primary"
key_file = "old.key"
data_dir = "kept"
clock = "system"

# 灯 lamps
[[mqtt]]
name = "classrooms"
broker = { host = "127.0.0.1" }
devices = [{ id = "air-301", profile = "zigbee2mqtt/tuya-ts0601-air", place = "main/301" }]

# to the old collector
[collector]
public_key = "G3c3uUo8wJpQkqVqYl0M0xU1n7y0p2m7hJ8q1rJm9T8="
https_after_s = 5.0
[collector.mqtt]
host = "old.example"
keepalive_s = 20

[log]
level = "error"
# the end
"""


def run(*arguments: str | Path) -> Result:
    given = list(map(str, arguments))
    return CliRunner().invoke(build(given[0]), given, env={"COLUMNS": "200"})


def enrol(double: CollectorDouble, folder: Path, *more: str | Path, code: str = CODE) -> Result:
    return run("gateway", "enrol", double.url, "--code", code, "--folder", folder, *more)


@pytest.fixture
def double(tmp_path: Path) -> Iterator[CollectorDouble]:
    with CollectorDouble(tmp_path / "double").listening() as made:
        yield made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "gateway"


def assert_nothing_is_left(folder: Path) -> None:
    assert [one.name for one in folder.glob("*") if one.name != "keys"] == []
    assert list(folder.glob("keys/*")) == []


def test_keys_certificates_and_a_file_that_the_program_takes(double: CollectorDouble, folder: Path) -> None:
    double.vault, double.mqtt = VAULT, Endpoint("mqtt.school.example", 8883, f"{SCHOOL}/{GATEWAY}")
    result = enrol(double, folder, code=" k7qm 3xwd")
    assert result.exit_code == 0, result.output
    config = load_config(folder / "gateway.toml")
    assert (config.gateway.school, config.gateway.id) == (SCHOOL, GATEWAY)
    public = load_signing_key(config.gateway.key_file).public_key()
    assert public.public_bytes_raw() == double.questions[0].public_key
    assert config.collector.public_key == public_text(double.key.public_key())
    assert config.collector.mqtt is not None
    assert config.collector.https is not None
    assert config.collector.mqtt.ca_file == config.collector.https.ca_file
    assert (config.collector.mqtt.certificate_file, config.collector.mqtt.key_file) == (
        config.collector.https.certificate
    )
    assert config.personal is not None
    assert config.personal.vault == VAULT
    modes = {one.stat().st_mode & 0o077 for one in folder.glob("keys/*/1/*")}
    assert modes == {0}
    assert f"campus vault gateway add vault.toml {GATEWAY} {public_text(public)}" in result.output
    assert "campus edge check" in result.output
    assert CODE not in result.output

    told = run("gateway", "status", folder / "gateway.toml")
    assert told.exit_code == 0
    for text in (f"{SCHOOL}/{GATEWAY}", public_text(public), "mqtts://mqtt.school.example:8883", "364"):
        assert text in told.output


def test_devices_of_a_file_that_was_there_stay(double: CollectorDouble, folder: Path) -> None:
    folder.mkdir()
    (folder / "gateway.toml").write_text(DEVICES, "utf-8")
    (folder / "gateway.toml").chmod(0o640)
    result = enrol(double, folder)
    assert result.exit_code == 0, result.output
    after = (folder / "gateway.toml").read_text("utf-8")
    before, _, rest = DEVICES.partition("[gateway]")
    assert after.startswith(before)
    lamps = rest[rest.index("# 灯") : rest.index("# to the old")]
    assert after.endswith(lamps + rest[rest.index("[log]") :])
    assert "old.example" not in after
    assert (folder / "gateway.toml.before-enrolment").read_text("utf-8") == DEVICES
    assert (folder / "gateway.toml").stat().st_mode & 0o777 == 0o640
    config = load_config(folder / "gateway.toml")
    assert config.gateway.data_dir == folder / "kept"
    assert config.gateway.clock == "system"
    assert config.collector.https_after_s == 5.0
    assert [one.id for one in config.devices] == ["air-301"]

    again = enrol(double, folder)
    assert again.exit_code == 0, again.output
    assert (folder / "gateway.toml").read_text("utf-8") == after.replace("keys/1/", "keys/2/")
    assert enrol(double, folder).exit_code == 0
    assert {one.name for one in folder.glob("keys/*")} == {"2", "3"}, "those of the file and of its copy"


def test_another_gateway_gets_a_buffer_of_its_own(double: CollectorDouble, folder: Path) -> None:
    folder.mkdir()
    (folder / "gateway.toml").write_text(DEVICES.replace("gw-301", "gw-999"), "utf-8")
    assert enrol(double, folder).exit_code == 0
    assert load_config(folder / "gateway.toml").gateway.data_dir == folder / f"data-{SCHOOL}-{GATEWAY}"


def test_devices_alone_and_the_vault_of_before(double: CollectorDouble, folder: Path) -> None:
    folder.mkdir()
    key = public_text(double.key.public_key())
    personal = f'[personal]\nvault = "https://other.example"\nvault_public_key = "{key}"\n'
    lamps = DEVICES[DEVICES.index("[[mqtt]]") : DEVICES.index("# to the old")]
    (folder / "gateway.toml").write_text(personal + lamps, "utf-8")
    double.vault = VAULT
    result = enrol(double, folder)
    assert result.exit_code == 0, result.output
    assert "names another vault" in result.output
    after = (folder / "gateway.toml").read_text("utf-8")
    assert after.startswith(personal + lamps)
    assert load_config(folder / "gateway.toml").collector.https is not None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[gateway\n", "is no TOML"),
        ('gateway.id = "a"\n[log]\n', "in a form that cannot be replaced"),
        ('collector = { public_key = "" }\n', "in a form that cannot be replaced"),
        ("[[mqtt]]\nname = 1\n", "mqtt[1].name must be a valid string"),
    ],
)
def test_a_file_that_cannot_be_kept_costs_no_code(
    double: CollectorDouble, folder: Path, text: str, words: str
) -> None:
    folder.mkdir()
    (folder / "gateway.toml").write_text(text, "utf-8")
    result = enrol(double, folder)
    assert result.exit_code == 2
    assert words in result.output
    assert double.questions == []
    assert (folder / "gateway.toml").read_text("utf-8") == text
    assert not (folder / "gateway.toml.before-enrolment").exists()
    assert list(folder.glob("keys/*")) == []


def test_a_key_is_kept_if_somebody_says_so(double: CollectorDouble, folder: Path) -> None:
    assert enrol(double, folder, "--keep-key").exit_code == 2
    assert double.questions == []
    folder.mkdir(exist_ok=True)
    key = create_signing_key(folder / "old.key").public_key()
    (folder / "gateway.toml").write_text(DEVICES, "utf-8")
    double.vault = VAULT
    kept = enrol(double, folder, "--keep-key")
    assert kept.exit_code == 0
    assert "campus vault" not in kept.output
    assert "campus vault gateway replace" in enrol(double, folder).output
    assert [one.public_key == key.public_bytes_raw() for one in double.questions] == [True, False]


def test_a_code_is_asked_for_and_never_repeated(double: CollectorDouble, folder: Path) -> None:
    arguments = ["gateway", "enrol", double.url, "--folder", str(folder)]
    result = CliRunner().invoke(build("gateway"), arguments, input="k7qm3xwd\n")
    assert result.exit_code == 0, result.output
    for bad in ("H7QM-3XW", "K7QM-3XW0", "TOOLONG-CODE"):
        refused = enrol(double, folder, code=bad)
        assert refused.exit_code == 2
        assert "8 letters and digits" in refused.output
        assert bad not in refused.output


@pytest.mark.parametrize(
    ("status", "headers", "words"),
    [
        (403, {}, "older than 15 minutes, used already"),
        (409, {}, "the collector refuses: answered 409"),
        (404, {}, "an older collector, or another address"),
        (429, {"Retry-After": "601"}, "come again in 11 min"),
        (429, {"Retry-After": "1"}, "come again in 1 min"),
        (503, {}, "answered 503"),
        (422, {}, "answered 422"),
    ],
)
def test_every_refusal_is_said_in_words(
    double: CollectorDouble, folder: Path, status: int, headers: dict[str, str], words: str
) -> None:
    double.status, double.headers = status, headers
    result = enrol(double, folder)
    assert result.exit_code == 1
    assert words in result.output
    assert not (folder / "gateway.toml").exists()
    if status not in {429, 503}:  # for who may have answered, and was not heard, the keys are kept
        assert_nothing_is_left(folder)


def test_a_wrong_code_and_nobody_there(double: CollectorDouble, folder: Path) -> None:
    result = enrol(double, folder, code="2222-2222")
    assert result.exit_code == 1
    assert "does not accept the code" in result.output
    assert_nothing_is_left(folder)
    away = run("gateway", "enrol", "127.0.0.1:1", "--code", CODE, "--folder", folder)
    assert away.exit_code == 1
    assert "check address, cable and port" in away.output
    for place in ("http://pulse.example", "https://", "a b"):
        assert run("gateway", "enrol", place, "--code", CODE, "--folder", folder).exit_code == 2


def test_an_answer_that_is_lost_is_asked_for_again(double: CollectorDouble, folder: Path) -> None:
    double.lost = 1
    result = enrol(double, folder)
    assert result.exit_code == 0, result.output
    assert double.questions[0] == double.questions[1]
    double.once, double.lost = True, 9
    double.accepted.clear()
    given_up = enrol(double, folder)
    assert given_up.exit_code == 1
    assert len(double.questions) < 9, "it does not ask for ever"
    double.lost = 0
    again = enrol(double, folder)
    assert again.exit_code == 0, again.output
    assert len({one.public_key for one in double.questions}) == 2, "the same keys get the same answer"


def test_who_stands_in_between_is_found_out(double: CollectorDouble, folder: Path, tmp_path: Path) -> None:
    """It hands everything on, and shows a certificate of its own."""

    class Between(CollectorDouble):
        def post(self, path: str, body: bytes) -> tuple[int, bytes]:
            return double.post(path, body)

    with Between(tmp_path / "between").listening() as between:
        result = enrol(between, folder)
    assert result.exit_code == 1
    assert "shows another certificate" in result.output
    assert len(double.questions) == 1
    assert double.known == []
    assert_nothing_is_left(folder)


def test_who_does_not_know_the_code_is_not_believed(double: CollectorDouble, folder: Path) -> None:
    double.guesses = True
    result = enrol(double, folder, code="2222-2222")
    assert result.exit_code == 1
    assert "does not know the code" in result.output
    assert_nothing_is_left(folder)


def _other_authority(answer: Answer) -> Answer:
    return msgspec.structs.replace(answer, authority=answer.certificate)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"nonce": b"x" * 16}, "an answer to another question"),
        ({"gateway": "gw-2"}, "for another gateway"),
        ({"school": "../../etc"}, "whose id is none"),
        ({"https": None, "mqtt": None}, "no way to the collector"),
        ({"vault": VAULT}, "a vault without its key"),
        ({"certificate": "nothing"}, "cannot be read"),
        ({"https": "ftp://x"}, "cannot be used as settings"),
        ({"collector_public_key": 'x"\n[log]'}, "cannot be used as settings"),
        ({"timezone": "Mars/Olympus"}, "cannot be used as settings"),
        ({"format": 2}, "another format"),
    ],
)
def test_an_answer_that_makes_no_sense_changes_nothing(
    double: CollectorDouble, folder: Path, change: dict[str, Any], words: str
) -> None:
    double.change = lambda answer: msgspec.structs.replace(answer, **change)
    result = enrol(double, folder)
    assert result.exit_code == 1
    assert words in result.output
    assert_nothing_is_left(folder)


def test_the_certificate_has_to_be_ours(double: CollectorDouble, folder: Path) -> None:
    changes: tuple[tuple[Callable[[Answer], Answer], str], ...] = (
        (_other_authority, "not signed by the authority"),
        (lambda one: msgspec.structs.replace(one, certificate=one.authority), "for another key"),
    )
    for double.change, words in changes:
        result = enrol(double, folder)
        assert result.exit_code == 1
        assert words in result.output
        assert_nothing_is_left(folder)


def test_a_wrong_clock_is_said_before_the_code_is_used(tmp_path: Path, folder: Path) -> None:
    with CollectorDouble(tmp_path / "later", days=(2, 3)).listening() as double:
        result = enrol(double, folder)
    assert result.exit_code == 1
    assert "set the clock" in result.output
    assert "the code is still good" in result.output
    assert double.questions == []
    assert_nothing_is_left(folder)


def test_a_certificate_of_tomorrow_is_kept_and_said(double: CollectorDouble, folder: Path) -> None:
    double.days = (1, 300)
    result = enrol(double, folder)
    assert result.exit_code == 1
    assert "set this gateway's clock" in result.output
    assert load_config(folder / "gateway.toml").gateway.id == GATEWAY
    told = run("gateway", "status", folder / "gateway.toml")
    assert told.exit_code == 1
    assert "good only from" in told.output


def test_a_certificate_authority_can_be_named_besides(
    double: CollectorDouble, folder: Path, tmp_path: Path
) -> None:
    other = CollectorDouble(tmp_path / "other").authority.file
    refused = enrol(double, folder, "--ca-file", other)
    assert refused.exit_code == 1
    assert "is not believed" in refused.output
    assert double.questions == []
    assert enrol(double, folder, "--ca-file", double.authority.file).exit_code == 0
    assert enrol(double, folder, "--ca-file", folder / "none.pem").exit_code == 2


def test_an_enrolment_that_was_cut_off_leaves_what_was_there_and_can_be_repeated(
    double: CollectorDouble, folder: Path
) -> None:
    folder.mkdir()
    (folder / "gateway.toml").write_text(DEVICES, "utf-8")
    events = 0
    double.once = True

    def once() -> None:
        result = enrol(double, folder)
        assert result.exit_code == 0, result.output

    while killed_before(events, once):
        text = (folder / "gateway.toml").read_text("utf-8")
        if text != DEVICES:
            config = load_config(folder / "gateway.toml")
            sets = KeySets.found_at(config.gateway.key_file)
            assert sets is not None
            double.accepted.clear()  # it is done: once more would need another code
            assert all(
                one.stat().st_size
                for one in (sets.current.signing_key, sets.current.certificate, sets.current.authority)
            )
        events += 1
    assert events > 15
    assert load_config(folder / "gateway.toml").gateway.id == GATEWAY
    assert len({one.public_key for one in double.questions}) < len(double.questions) / 2, "keys are kept"
    double.accepted.clear()
    assert enrol(double, folder).exit_code == 0
    double.accepted.clear()
    assert enrol(double, folder).exit_code == 0
    assert len(list(folder.glob("keys/*"))) <= 3, "those of the file, of its copy, and perhaps once more"
    assert not list(folder.glob("keys/*/unfinished"))


def test_keys_of_another_configuration_beside_it_stay(double: CollectorDouble, folder: Path) -> None:
    assert enrol(double, folder).exit_code == 0
    (folder / "gateway.toml").rename(folder / "second.toml")
    for _ in range(3):
        assert enrol(double, folder).exit_code == 0
    assert load_signing_key(load_config(folder / "second.toml").gateway.key_file)
    (folder / "second.toml").rename(folder.parent / "away.toml")
    double.status = 409
    assert enrol(double, folder).exit_code == 1
    assert (folder / "keys/1/current/signing.key").exists()
