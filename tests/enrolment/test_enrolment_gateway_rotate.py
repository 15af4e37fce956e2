"""New keys for a gateway that is known: by command, and by the running gateway before its certificate ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificate
from structlog.testing import capture_logs
from typer.testing import CliRunner, Result

from campus.cli import build
from edge_agent.clock import Clock
from edge_agent.config import GatewayConfig, load_config
from edge_agent.counters import Counters
from edge_agent.enrolment.certificates import read_certificate
from edge_agent.enrolment.keyset import KeySet, KeySets
from edge_agent.enrolment.renewal import LOOK_S, RETRY_S, RETRY_S_MAX, Renewal
from edge_agent.enrolment.rotate import Rotated, rotate
from edge_agent.folderlock import folder_locked
from edge_agent.identity.map_file import MapFile, MapFileError
from edge_agent.metrics import _certificate_metrics
from foundation.keyfiles import create_signing_key, load_signing_key, public_text
from telemetry.credential_map import CredentialMap
from telemetry.envelope import key_id
from tests.driver_rig import until
from tests.enrolment.collector_double import CODE, GATEWAY, SCHOOL, VAULT, CollectorDouble
from tests.enrolment.killing import killed_before
from tests.line.site_vault import make_update


def run(*arguments: str | Path) -> Result:
    given = list(map(str, arguments))
    return CliRunner().invoke(build(given[0]), given, env={"COLUMNS": "200"})


@pytest.fixture
def double(tmp_path: Path) -> Iterator[CollectorDouble]:
    with CollectorDouble(tmp_path / "double").listening() as made:
        yield made


@pytest.fixture
def file(double: CollectorDouble, tmp_path: Path) -> Path:
    """gateway.toml of a gateway that was enrolled; it has a vault."""
    double.vault = VAULT
    folder = tmp_path / "gateway"
    result = run("gateway", "enrol", double.url, "--code", CODE, "--folder", folder)
    assert result.exit_code == 0, result.output
    return folder / "gateway.toml"


def key_of(config: GatewayConfig) -> Ed25519PublicKey:
    return load_signing_key(config.gateway.key_file).public_key()


def now_ms() -> int:
    return Clock("system").now_ms()


def assert_whole(config: GatewayConfig, double: CollectorDouble) -> KeySet:
    """The set in use is one with which the collector and the broker let this gateway in."""
    sets = KeySets.found_at(config.gateway.key_file)
    assert sets is not None
    used = sets.current
    certificate = load_pem_x509_certificate(used.certificate.read_bytes())
    key = load_pem_private_key(used.tls_key.read_bytes(), None)
    assert certificate.public_key() == key.public_key()
    certificate.verify_directly_issued_by(load_pem_x509_certificate(used.authority.read_bytes()))
    # The collector takes the key that was used last, and the one it has given out since.
    assert key_of(config) in double.known[-2:]
    return used


def test_both_keys_are_new_and_the_vault_is_to_be_told(file: Path, double: CollectorDouble) -> None:
    config = load_config(file)
    key, certificate = key_of(config), config.collector.certificate_file
    assert certificate is not None
    before = certificate.read_bytes()
    result = run("gateway", "rotate", file)
    assert result.exit_code == 0, result.output
    assert key_of(config) != key
    assert certificate.read_bytes() != before
    assert_whole(config, double)
    assert f"gateway replace vault.toml {GATEWAY} {public_text(key_of(config))}" in result.output
    assert key_id(key_of(config)).hex(" ", 2) in run("gateway", "status", file).output
    assert len(list(config.gateway.key_file.parents[1].glob("[0-9]*"))) == 1, "the old keys are gone"


def test_the_certificate_alone(file: Path, double: CollectorDouble) -> None:
    config = load_config(file)
    key, before = key_of(config), read_certificate(assert_whole(config, double).certificate)
    result = run("gateway", "rotate", file, "--certificate-only")
    assert result.exit_code == 0, result.output
    assert key_of(config) == key
    assert read_certificate(assert_whole(config, double).certificate) != before
    assert "vault" not in result.output


def test_the_map_of_before_can_still_be_read(file: Path) -> None:
    config = load_config(file)
    old = load_signing_key(config.gateway.key_file)
    place = config.gateway.data_dir, SCHOOL, GATEWAY
    place[0].mkdir()
    kept = CredentialMap.whole(make_update(SCHOOL, GATEWAY, {}, version=3, issued_ms=now_ms()))
    MapFile(place[0], old, *place[1:]).write(kept)
    result = run("gateway", "rotate", file)
    assert "until then the map of before" in result.output
    new = load_signing_key(config.gateway.key_file)
    found = MapFile(place[0], new, *place[1:]).read()
    assert found is not None
    assert found.as_update() == kept.as_update()
    with pytest.raises(MapFileError):
        MapFile(place[0], old, *place[1:]).read()


def test_a_gateway_that_runs_is_left_alone(file: Path, double: CollectorDouble) -> None:
    with folder_locked(load_config(file).gateway.data_dir):
        result = run("gateway", "rotate", file)
    assert result.exit_code == 2
    assert "while the gateway stands still" in result.output
    assert len(double.known) == 1


@pytest.mark.parametrize(
    ("status", "words"),
    [(401, "enrol it again"), (403, "answered 403"), (404, "an older collector"), (503, "answered 503")],
)
def test_a_refusal_leaves_the_keys_of_before(
    file: Path, double: CollectorDouble, status: int, words: str
) -> None:
    config = load_config(file)
    key = key_of(config)
    double.status = status
    result = run("gateway", "rotate", file)
    assert result.exit_code == 1
    assert words in result.output
    assert key_of(config) == key
    assert_whole(config, double)


def test_an_answer_that_is_not_the_collectors_changes_nothing(file: Path, double: CollectorDouble) -> None:
    config = load_config(file)
    key = key_of(config)
    for change, words in (
        ({"nonce": b"y" * 16}, "an answer to another question"),
        ({"gateway": "gw-2"}, "for another gateway"),
        ({"authority": "x"}, "cannot be read"),
    ):
        double.change = lambda answer, change=change: msgspec.structs.replace(answer, **change)  # type: ignore[misc]
        result = run("gateway", "rotate", file)
        assert result.exit_code == 1
        assert words in result.output
    double.change = lambda answer: answer
    double.key = create_signing_key(file.parent / "stranger.key")
    result = run("gateway", "rotate", file)
    assert result.exit_code == 1
    assert "the signature does not fit the key" in result.output
    assert key_of(config) == key


def with_own_key(file: Path) -> Path:
    """gateway.toml with a key that no enrolment has made."""
    create_signing_key(file.parent / "own.key")
    text = file.read_text("utf-8")
    file.write_text(text.replace("keys/1/current/signing.key", "own.key"), "utf-8")
    return file


def test_files_laid_down_by_hand_are_not_touched(file: Path) -> None:
    text = file.read_text("utf-8")
    own = load_config(with_own_key(file)).gateway.key_file
    before = own.read_bytes()
    result = run("gateway", "rotate", file)
    assert result.exit_code == 2
    assert "enrol this gateway once" in result.output
    assert own.read_bytes() == before
    only_mqtt = text.replace(
        text[text.index("[collector.https]") : text.index("[personal]")],
        '[collector.mqtt]\nhost = "x"\nca_file = "keys/1/current/authority.pem"\n'
        'certificate_file = "keys/1/current/gateway.pem"\nkey_file = "keys/1/current/tls.key"\n',
    )
    file.write_text(only_mqtt, "utf-8")
    result = run("gateway", "rotate", file)
    assert result.exit_code == 2
    assert "knows MQTT only" in result.output
    assert run("gateway", "status", file).exit_code == 0


def test_without_a_certificate_there_is_only_the_signing_key(
    file: Path,
) -> None:
    text = file.read_text("utf-8")
    bare = "\n".join(line for line in text.splitlines() if not line.startswith("client_"))
    file.write_text(bare, "utf-8")
    key = key_of(load_config(file))
    assert run("gateway", "rotate", file).exit_code == 0
    assert key_of(load_config(file)) != key
    told = run("gateway", "status", file)
    assert told.exit_code == 0
    assert "the collector asks for none" in told.output


def test_a_rotation_that_was_cut_off_anywhere_leaves_a_gateway_that_works(
    file: Path, double: CollectorDouble
) -> None:
    config = load_config(file)

    def once() -> None:
        asyncio.run(rotate(config, signing_key=True, now_ms=now_ms))

    changes = 0
    while killed_before(changes, once):
        assert_whole(config, double)
        # The key that is in use is the one the collector hears from.
        double.known.append(key_of(config))
        changes += 1
    assert changes > 10
    assert_whole(config, double)
    assert len(list(config.gateway.key_file.parents[1].glob("[0-9]*"))) == 1


class Clocked(Clock):
    """One that knows the time, or does not."""

    def __init__(self, days_ahead: float = 0.0) -> None:
        super().__init__("system")
        self._ahead_ms = int(days_ahead * 86_400_000)

    def now_ms(self) -> int:
        return super().now_ms() + self._ahead_ms


async def test_a_running_gateway_renews_its_certificate_in_time(file: Path, double: CollectorDouble) -> None:
    config, counters = load_config(file), Counters()
    certificate = config.collector.certificate_file
    assert certificate is not None
    before, key = certificate.read_bytes(), key_of(config)
    assert LOOK_S / 2 <= await Renewal(config, Clocked(300.0), counters).look() <= LOOK_S
    assert certificate.read_bytes() == before
    assert counters.certificate_ends_s == read_certificate(certificate).not_after.timestamp()

    assert LOOK_S / 2 <= await Renewal(config, Clocked(306.0), counters).look() <= LOOK_S
    assert certificate.read_bytes() != before
    assert key_of(config) == key
    assert_whole(config, double)
    assert counters.certificate_renewals == 1
    assert counters.certificate_ends_s == read_certificate(certificate).not_after.timestamp()
    told = {one.name: one.samples[0].value for one in _certificate_metrics(counters) if one.samples}
    assert told == {
        "campus_edge_certificate_renewals": 1,
        "campus_edge_certificate_ends_seconds": counters.certificate_ends_s,
    }


async def test_a_renewal_in_vain_is_counted_and_comes_again_later(
    file: Path, double: CollectorDouble
) -> None:
    config, counters = load_config(file), Counters()
    renewal = Renewal(config, Clocked(330.0), counters)
    double.status = 503
    with capture_logs() as logs:
        waits = [await renewal.look() for _ in range(3)]
    assert RETRY_S / 2 <= waits[0] <= RETRY_S
    assert waits[2] > RETRY_S
    double.status = 401
    assert await renewal.look() >= RETRY_S_MAX / 2
    assert counters.certificate_failures == {"away": 3, "refused": 1}
    assert [one["log_level"] for one in logs] == ["warning", "debug", "debug"]
    assert_whole(config, double)
    double.status = 200
    await renewal.look()
    assert counters.certificate_renewals == 1


async def test_without_a_way_to_renew_somebody_is_told(file: Path) -> None:
    config, counters = load_config(with_own_key(file)), Counters()
    assert await Renewal(config, Clocked(0.0), counters).look() <= LOOK_S
    assert not counters.certificate_failures
    with capture_logs() as logs:
        await Renewal(config, Clocked(330.0), counters).look()
    assert counters.certificate_failures == {"no_way": 1}
    assert "campus gateway enrol" in json.dumps(logs)


async def test_a_gateway_that_does_not_know_the_time_waits(file: Path) -> None:
    class Timeless(Clocked):
        @property
        def plausible(self) -> bool:
            return False

    counters = Counters()
    assert await Renewal(load_config(file), Timeless(330.0), counters).look() == RETRY_S
    assert not counters.certificate_failures
    assert not counters.certificate_renewals


async def test_a_fault_of_the_program_while_renewing_ends_nothing(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fault(*_: object, **__: object) -> Rotated:
        raise KeyError("words of whoever answered")

    monkeypatch.setattr("edge_agent.enrolment.renewal.FIRST_S", 0)
    monkeypatch.setattr("edge_agent.enrolment.renewal.RETRY_S_MAX", 0)
    counters = Counters()
    renewing = asyncio.create_task(Renewal(load_config(file), Clocked(330.0), counters, rotate=fault).run())
    with capture_logs() as logs:
        await until(lambda: counters.certificate_failures["fault"] > 1, "it goes on")
    renewing.cancel()
    await asyncio.wait([renewing])
    assert renewing.cancelled()
    assert "KeyError" in json.dumps(logs)
    assert "words of" not in json.dumps(logs)
