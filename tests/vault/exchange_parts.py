"""Gateways and a collector that ask a vault's desk, for tests."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from foundation.keyfiles import public_text
from identity_vault.exchange.desk import ExchangeDesk
from identity_vault.exchange.registry import add_gateway
from identity_vault.vault import Vault
from telemetry.credential_map import CredentialMap, MapUpdate, decode_update
from telemetry.envelope import Signer
from telemetry.exchange import (
    Directory,
    DirectoryQuestion,
    JoinAnswer,
    JoinQuestion,
    MapQuestion,
    OrderReport,
    decode_directory,
    decode_join,
    new_nonce,
    read_answer,
    wrap_question,
)
from telemetry.purposes import PURPOSE_NAMES, Purpose
from telemetry.sealing import Seal
from tests.vault.vault_parts import SCHOOL, make_config, make_vault

COLLECTOR = Signer(Ed25519PrivateKey.from_private_bytes(bytes(32)))


def vault_with_collector(folder: Path, now_ms: list[int]) -> Vault:
    """A vault whose clock is the last of a list."""
    config = make_config(folder, collector={"public_key": public_text(COLLECTOR.public_key)})
    return make_vault(folder, config=config, now_ms=lambda: now_ms[-1])


class Content(NamedTuple):
    """What a map holds, for comparing."""

    people: dict[int, object]
    credentials: dict[bytes, int]


def content_of(found: CredentialMap) -> Content:
    update = found.as_update()
    return Content({one.slot: one for one in update.people}, update.credentials)


class Gateway:
    """A gateway's side: its key, and the map it made of the answers."""

    def __init__(
        self, vault: Vault, name: str = "gw-1", purposes: tuple[Purpose, ...] = PURPOSE_NAMES
    ) -> None:
        self.vault = vault
        self.name = name
        self.signer = Signer(Ed25519PrivateKey.generate())
        self.map: CredentialMap | None = None
        with vault.begin() as connection:
            add_gateway(connection, name, self.signer.public_key, purposes, vault.now_ms())

    @property
    def content(self) -> Content:
        assert self.map is not None
        return content_of(self.map)

    def question(self, seal: Seal, *, have: int | None = None, school: str = SCHOOL) -> MapQuestion:
        known = 0 if self.map is None else self.map.version
        return MapQuestion(school, self.name, new_nonce(), seal.reply_key, known if have is None else have)

    async def ask(self, desk: ExchangeDesk, *, have: int | None = None) -> MapUpdate:
        """One turn; the map is up to date afterwards."""
        seal = Seal()
        question = self.question(seal, have=have)
        data = await desk.answer(wrap_question(question, self.signer))
        update = decode_update(read_answer(data, question, seal, self.vault.signer.public_key))
        self.map = CredentialMap.whole(update) if self.map is None else self.map.updated(update)
        return update


async def ask_directory(
    desk: ExchangeDesk, vault: Vault, have: int = 0, done: list[OrderReport] | None = None
) -> Directory:
    seal = Seal()
    question = DirectoryQuestion(SCHOOL, new_nonce(), seal.reply_key, have, done or [])
    data = await desk.answer(wrap_question(question, COLLECTOR))
    return decode_directory(read_answer(data, question, seal, vault.signer.public_key))


async def ask_join(
    desk: ExchangeDesk, vault: Vault, cases: list[str], exposures: dict[str, list[str]]
) -> JoinAnswer:
    seal = Seal()
    question = JoinQuestion(SCHOOL, new_nonce(), seal.reply_key, "health", cases, "nutrition", exposures)
    data = await desk.answer(wrap_question(question, COLLECTOR))
    return decode_join(read_answer(data, question, seal, vault.signer.public_key))
