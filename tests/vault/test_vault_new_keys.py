"""A gateway that has changed its key: the old key vouches for the new one, and nobody types it at the vault."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typer.testing import CliRunner, Result

from campus.cli import build
from edge_agent.config import load_config
from foundation.keyfiles import load_signing_key, public_text
from identity_vault.audit import find
from identity_vault.exchange.desk import ExchangeDesk
from identity_vault.exchange.refusals import ExchangeRefusedError
from identity_vault.exchange.registry import (
    add_gateway,
    find_gateway,
    replace_gateway,
    revoke_gateway,
    rotate_key,
)
from identity_vault.vault import Vault
from telemetry.envelope import Signer, key_id
from telemetry.exchange import KeyQuestion, key_claim, new_nonce, read_answer, wrap_question
from telemetry.purposes import PURPOSE_NAMES
from telemetry.sealing import Seal
from tests.enrolment.collector_double import CODE, GATEWAY, CollectorDouble
from tests.vault.exchange_parts import COLLECTOR, Gateway, vault_with_collector
from tests.vault.vault_parts import NOW_MS, SCHOOL, add_somebody, make_vault
from tests.vault.web_parts import Running, config_of


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    with vault_with_collector(tmp_path, [NOW_MS]) as found:
        yield found


@pytest.fixture
async def desk(vault: Vault) -> AsyncIterator[ExchangeDesk]:
    found = ExchangeDesk(vault)
    yield found
    found.close()


def told(seal: Seal, new: Ed25519PrivateKey, name: str = "gw-1", **changes: bytes) -> KeyQuestion:
    bare = KeyQuestion(SCHOOL, name, new_nonce(), seal.reply_key, new.public_key().public_bytes_raw())
    return msgspec.structs.replace(bare, **{"held": new.sign(key_claim(bare)), **changes})


async def tell(desk: ExchangeDesk, gateway: Gateway, new: Ed25519PrivateKey) -> bytes:
    """What the vault answers, read as the gateway reads it."""
    seal = Seal()
    question = told(seal, new)
    data = await desk.answer(wrap_question(question, gateway.signer))
    return read_answer(data, question, seal, gateway.vault.signer.public_key)


async def refusal(desk: ExchangeDesk, question: KeyQuestion, signer: Signer) -> tuple[int, str]:
    with pytest.raises(ExchangeRefusedError) as caught:
        await desk.answer(wrap_question(question, signer))
    return caught.value.status, caught.value.title


async def test_the_new_key_counts_and_the_map_stays(vault: Vault, desk: ExchangeDesk) -> None:
    add_somebody(vault, 1)
    gateway, new = Gateway(vault), Ed25519PrivateKey.generate()
    blinding = (await gateway.ask(desk)).blinding_key
    await gateway.ask(desk)
    old = gateway.signer
    assert await tell(desk, gateway, new) == key_id(new.public_key())
    assert await refusal(desk, told(Seal(), new), old) == (401, "unknown key")
    gateway.signer = Signer(new)
    # An answer that was lost is asked for again with the key that counts now.
    assert await tell(desk, gateway, new) == key_id(new.public_key())
    update = await gateway.ask(desk)
    assert (update.base, update.blinding_key) == (update.version, blinding), "nothing has changed for it"
    with vault.read() as connection:
        row, told_of = find_gateway(connection, "gw-1"), find(connection, action="gateway_rotate")
    assert row is not None
    assert (row.generation, row.confirmed_version) == (1, update.version)
    (row_of_audit,) = told_of
    assert row_of_audit.actor == "gateway:gw-1"
    assert key_id(new.public_key()).hex() in row_of_audit.detail


async def test_who_cannot_change_a_key(vault: Vault, desk: ExchangeDesk) -> None:
    gateway, other, new = Gateway(vault), Gateway(vault, "gw-2"), Ed25519PrivateKey.generate()
    mine, seal = gateway.signer, Seal()
    assert await refusal(desk, told(seal, new), Signer(new)) == (401, "unknown key")
    assert await refusal(desk, told(seal, new), other.signer) == (403, "not for this key")
    assert await refusal(desk, told(seal, new), COLLECTOR) == (403, "not for this key")
    for bad in (
        told(seal, new, held=b""),
        told(seal, new, held=bytes(64)),
        told(seal, new, public_key=b"short"),
        told(seal, new, public_key=other.signer.public_key.public_bytes_raw()),
    ):
        assert await refusal(desk, bad, mine) == (400, "bad question")
    taken = told(seal, new)
    with vault.begin() as connection:
        add_gateway(connection, "gw-3", new.public_key(), PURPOSE_NAMES, NOW_MS)
    assert await refusal(desk, taken, mine) == (403, "not for this key")
    with vault.begin() as connection:
        revoke_gateway(connection, "gw-1")
    assert await refusal(desk, told(seal, Ed25519PrivateKey.generate()), mine) == (403, "revoked")


async def test_a_question_heard_before_is_worth_nothing(vault: Vault, desk: ExchangeDesk) -> None:
    gateway, second, third = Gateway(vault), Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    recorded = wrap_question(told(Seal(), second), gateway.signer)
    await desk.answer(recorded)
    gateway.signer = Signer(second)
    await tell(desk, gateway, third)
    with pytest.raises(ExchangeRefusedError, match="unknown key"):
        await desk.answer(recorded)


def test_what_has_changed_meanwhile_decides(vault: Vault) -> None:
    Gateway(vault)
    new = Ed25519PrivateKey.generate().public_key()
    with vault.begin() as connection:
        read = find_gateway(connection, "gw-1")
        assert read is not None
        replace_gateway(connection, "gw-1", Ed25519PrivateKey.generate().public_key(), None, NOW_MS)
        assert not rotate_key(connection, read, new)
        again = find_gateway(connection, "gw-1")
        assert again is not None
        revoke_gateway(connection, "gw-1")
        assert not rotate_key(connection, again, new)


def run(*arguments: str | Path) -> Result:
    given = list(map(str, arguments))
    return CliRunner().invoke(build(given[0]), given, env={"COLUMNS": "200"})


async def test_by_command_at_a_running_vault(tmp_path: Path) -> None:
    folder = tmp_path / "gateway"
    with (
        CollectorDouble(tmp_path / "double").listening() as double,
        make_vault(tmp_path, config=config_of(tmp_path)) as vault,
    ):
        async with Running(vault) as running:
            double.change = lambda answer: msgspec.structs.replace(
                answer, vault=running.url, vault_public_key=public_text(vault.signer.public_key)
            )
            done = await asyncio.to_thread(
                run, "gateway", "enrol", double.url, "--code", CODE, "--folder", folder
            )
            assert done.exit_code == 0, done.output
            file = folder / "gateway.toml"
            # Nobody has told the vault of this gateway.
            done = await asyncio.to_thread(run, "gateway", "rotate", file)
            assert "does not know the new key" in done.output
            assert "campus vault gateway add" in done.output
            key = load_signing_key(load_config(file).gateway.key_file).public_key()
            with vault.begin() as connection:
                add_gateway(connection, GATEWAY, key, PURPOSE_NAMES, vault.now_ms())
            done = await asyncio.to_thread(run, "gateway", "rotate", file)
            assert done.exit_code == 0, done.output
            assert "保险库已登记新密钥 the vault knows the new key" in done.output
            assert "campus vault" not in done.output
            # The same box enrolled anew has the old key, too, also where the collector names no vault.
            double.change = lambda answer: answer
            done = await asyncio.to_thread(
                run, "gateway", "enrol", double.url, "--code", CODE, "--folder", folder
            )
            assert "保险库已登记新密钥 the vault knows the new key" in done.output
            assert "campus vault" not in done.output
        new = load_signing_key(load_config(file).gateway.key_file).public_key()
        with vault.read() as connection:
            row = find_gateway(connection, GATEWAY)
        assert row is not None
        assert row.public_key == public_text(new) != public_text(key)
