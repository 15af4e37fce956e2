"""Bytes of a question in, bytes of an answer out: the vault's counter for gateways and the collector."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple, TypeVar

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Connection

from foundation.keyfiles import parse_public
from identity_vault.audit import Detail, Entry, record_many
from identity_vault.database.engine import VaultUnavailableError
from identity_vault.exchange import refusals
from identity_vault.exchange.new_keys import take_key
from identity_vault.exchange.rates import Rate, Rates
from identity_vault.exchange.refusals import ExchangeRefusedError
from identity_vault.exchange.registry import Gateway, find_by_key, note_asked
from identity_vault.fields import FieldError
from identity_vault.joins.answering import consider, remember
from identity_vault.maps.builder import build_map, derive_keys
from identity_vault.maps.directory import build_directory
from identity_vault.maps.history import Snapshots
from identity_vault.rights import orders
from identity_vault.roster import map_version
from identity_vault.vault import Vault
from telemetry.credential_map import encode_update
from telemetry.envelope import Envelope, EnvelopeError, Kind, Signer, key_id, open_envelope, verify
from telemetry.exchange import (
    ANSWER_BYTES_MAX,
    DirectoryQuestion,
    ExchangeError,
    JoinQuestion,
    KeyQuestion,
    MapQuestion,
    Question,
    encode_message,
    read_question,
    wrap_answer,
)

Result = TypeVar("Result")

WAITING_MAX: Final = 64
"""Questions being answered or waiting; the next one is told to come again."""
MESSAGE_BYTES_MAX: Final = ANSWER_BYTES_MAX - 1_024
"""What fits into an answer with its seal: a map of some 7,000 people."""
REPORTS_MAX: Final = 500
"""Order reports in one question."""
GATEWAY_RATE: Final = Rate(10, 5.0)
"""A gateway asks once a minute, and a few times more when it starts."""
COLLECTOR_RATE: Final = Rate(30, 1.0)
STRANGER_RATE: Final = Rate(30, 1.0)
"""All together who have no key here: each costs one look into the register."""
REFUSAL_AUDIT_RATE: Final = Rate(1, 60.0)
"""A refusal is audited once a minute for each asker and reason."""

_log = structlog.get_logger(__name__)


class _Asker(NamedTuple):
    """Whose key it is: a gateway's, or the collector's for None."""

    actor: str
    key: Ed25519PublicKey
    gateway: Gateway | None


class ExchangeDesk:
    """One for the life of the service; `close` it when nobody asks any more.

    What takes time is done on a thread of its own, one question after the other, so that names are
    resolved meanwhile.
    """

    def __init__(self, vault: Vault, rates: Rates | None = None) -> None:
        self._vault = vault
        self._rates = rates or Rates()
        self._snapshots = Snapshots(vault)
        self._collector = None if (one := vault.config.collector) is None else parse_public(one.public_key)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="exchange")
        self._waiting = 0
        self._joining = asyncio.Lock()
        self._known: set[bytes] = set()
        """Short names of keys that are in the register; bounded as it is."""
        self._served: dict[str, tuple[int, str, str]] = {}
        """Of each gateway that has a map of this process: generation, purposes and epoch of it."""

    def close(self) -> None:
        self._thread.shutdown(wait=True)

    async def answer(self, body: bytes) -> bytes:
        """The answer to an envelope. Raises ExchangeRefusedError."""
        if self._waiting >= WAITING_MAX:
            raise refusals.busy()
        self._waiting += 1
        actor = "stranger"
        try:
            envelope = _opened(body)
            asker = await self._find_asker(envelope)
            actor = asker.actor
            question = self._read(envelope, asker)
            message = await self._answered(question, asker)
            return await self._work(lambda: _sealed(question, message, self._vault.signer))
        except ExchangeRefusedError as refused:
            await self._note_refusal(actor, refused)
            raise
        except VaultUnavailableError:
            raise refusals.unavailable() from None
        except FieldError as error:
            _log.error("exchange.damaged", error=str(error))
            raise refusals.unavailable() from None
        finally:
            self._waiting -= 1

    async def _find_asker(self, envelope: Envelope) -> _Asker:
        """Who asks, the signature checked."""
        asker = await self._named(envelope)
        try:
            verify(envelope, asker.key)
        except EnvelopeError:
            raise refusals.wrong_signature() from None
        return asker

    async def _named(self, envelope: Envelope) -> _Asker:
        if self._collector is not None and envelope.key_id == key_id(self._collector):
            return _Asker("collector", self._collector, None)
        # Each key that was never seen costs a look into the register: together they get only so many.
        if envelope.key_id not in self._known and not self._rates.take("", STRANGER_RATE):
            raise refusals.too_often()
        found = await self._work(
            lambda: self._look(lambda connection: find_by_key(connection, envelope.key_id))
        )
        if found is None:
            self._known.discard(envelope.key_id)
            raise refusals.unknown_key()
        self._known.add(envelope.key_id)
        return _Asker(f"gateway:{found.id}", found.key, found)

    def _read(self, envelope: Envelope, asker: _Asker) -> Question:
        """The question, if who asks may ask it."""
        if asker.gateway is not None and asker.gateway.state != "active":
            raise refusals.revoked()
        if not self._rates.take(asker.actor, GATEWAY_RATE if asker.gateway else COLLECTOR_RATE):
            raise refusals.too_often()
        try:
            question = read_question(envelope, asker.key)
        except ExchangeError as error:
            raise refusals.bad_question(str(error)) from None
        if question.school != self._vault.school:
            raise refusals.not_yours("the question is to another school's vault")
        if isinstance(question, MapQuestion | KeyQuestion):
            if asker.gateway is None or question.gateway != asker.gateway.id:
                raise refusals.not_yours("a map or a key is for the gateway that asks")
        elif asker.gateway is not None:
            raise refusals.not_yours("directory and joins are for the collector")
        return question

    async def _answered(self, question: Question, asker: _Asker) -> bytes:
        if isinstance(question, MapQuestion):
            assert asker.gateway is not None
            return await self._map(question, asker.gateway)
        if isinstance(question, KeyQuestion):
            assert asker.gateway is not None
            return await take_key(self._vault, question, asker.gateway)
        if isinstance(question, DirectoryQuestion):
            return await self._directory(question)
        return await self._join(question)

    async def _map(self, question: MapQuestion, gateway: Gateway) -> bytes:
        have = question.have
        is_first = gateway.asked_ms is None

        def note(connection: Connection) -> None:
            # A version of the future is one of a database that was put back: it confirms nothing.
            confirmed = have if 0 < have <= map_version(connection) else 0
            if note_asked(connection, gateway, confirmed, self._vault.now_ms()):
                orders.close_finished(self._vault, connection)

        await self._vault.run(note)
        message, people = await self._work(lambda: self._built(gateway, have))
        if is_first or people is not None:
            await self._audit(
                f"gateway:{gateway.id}",
                "map_first" if is_first else "map_whole",
                generation=gateway.generation,
                had=have,
                people=people or 0,
            )
        return message

    def _built(self, gateway: Gateway, have: int) -> tuple[bytes, int | None]:
        """The map, and of a whole one how many people are in it."""
        snapshot, touched = self._snapshots.newest(have)
        of = (gateway.generation, gateway.purposes, snapshot.epoch)
        if self._served.get(gateway.id) != of:
            touched = None
        erased = self._look(lambda connection: orders.erased_pseudonyms(self._vault, connection))
        wanted = gateway.for_maps
        update = build_map(
            snapshot,
            wanted,
            derive_keys(self._vault.keys, wanted, snapshot.epoch),
            school=self._vault.school,
            issued_ms=self._vault.now_ms(),
            erased=erased,
            have=have,
            touched=touched,
        )
        self._served[gateway.id] = of
        return encode_update(update), None if touched is not None else len(update.people)

    async def _directory(self, question: DirectoryQuestion) -> bytes:
        if len(question.done) > REPORTS_MAX:
            raise refusals.bad_question(f"at most {REPORTS_MAX} reports in one question")

        def take(connection: Connection) -> None:
            for report in question.done:
                orders.finish(self._vault, connection, report)

        if question.done:
            await self._vault.run(take)
        return await self._work(lambda: self._directory_now(question.have))

    def _directory_now(self, have: int) -> bytes:
        snapshot, _ = self._snapshots.newest()
        told = self._look(lambda connection: orders.open_orders(self._vault, connection))
        is_known = have == snapshot.version
        return encode_message(
            build_directory(snapshot, issued_ms=self._vault.now_ms(), orders=told, with_classes=not is_known)
        )

    async def _join(self, question: JoinQuestion) -> bytes:
        async with self._joining:
            found = await self._work(
                lambda: self._look(lambda connection: consider(self._vault, connection, question))
            )
            await self._vault.run(lambda connection: remember(self._vault, connection, found))
        return encode_message(found.answer)

    async def _note_refusal(self, actor: str, refused: ExchangeRefusedError) -> None:
        if not self._rates.take(f"audit:{actor}:{refused.title}", REFUSAL_AUDIT_RATE):
            return
        _log.warning("exchange.refused", asker=actor, reason=refused.title, detail=refused.detail)
        try:
            await self._audit(actor, "exchange_refused", status=refused.status, reason=refused.title)
        except VaultUnavailableError as error:
            _log.error("exchange.refusal_not_audited", error=str(error))

    async def _audit(self, actor: str, action: str, **detail: Detail) -> None:
        entry = Entry(actor, action, detail=detail)
        await self._vault.run(lambda connection: record_many(self._vault, connection, (entry,)))

    def _look(self, work: Callable[[Connection], Result]) -> Result:
        with self._vault.read() as connection:
            return work(connection)

    async def _work(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def _sealed(question: Question, message: bytes, signer: Signer) -> bytes:
    if len(message) > MESSAGE_BYTES_MAX:
        _log.error("exchange.answer_too_large", bytes=len(message), most=MESSAGE_BYTES_MAX)
        raise refusals.too_large()
    try:
        return wrap_answer(question, message, signer)
    except ExchangeError as error:
        raise refusals.bad_question(str(error)) from None


def _opened(body: bytes) -> Envelope:
    try:
        envelope = open_envelope(body)
    except EnvelopeError as error:
        raise refusals.bad_question(str(error)) from None
    if envelope.kind is not Kind.VAULT_QUESTION:
        raise refusals.bad_question("not a question to the vault")
    return envelope
