"""The gateways' questions at their listener: enrolment by a code, and new keys for those that are known."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import h11
import structlog
from prometheus_client import CollectorRegistry, Counter

from collector.enrolment.issuing import RefusedError
from collector.enrolment.registrar import Registrar
from collector.intake.contract import Door
from collector.intake.http_answers import later, objection, problem
from collector.intake.http_bodies import Body, Talk
from collector.intake.http_callers import REFUSALS, Caller, fingerprint_of, shown_certificate
from collector.records import Records, RecordsUnavailableError
from foundation.commands import UsageError
from foundation.httpconnection import Reading, Reply
from foundation.logs import FirstOnly
from foundation.networks import host_of
from telemetry.enrolment import (
    CONTENT_TYPE,
    ENROL_PATH,
    MESSAGE_BYTES_MAX,
    ROTATE_PATH,
    EnrolmentError,
    Question,
    Rotation,
    decode,
)
from telemetry.envelope import ENVELOPE_BYTES_MIN, EnvelopeError, Kind, open_envelope
from telemetry.posting import Place

BODY_BYTES_MAX: Final = MESSAGE_BYTES_MAX + ENVELOPE_BYTES_MIN
WAITING_MAX: Final = 16
"""Questions are answered one after another; those that wait are few."""
AWAY_S: Final = 5
UNHEARD_MAX: Final = 1_000
_NAMES: Final = {ENROL_PATH: "enrol", ROTATE_PATH: "rotate"}

log = structlog.get_logger()


class EnrolmentDesk:
    """Answers questions; `proxy_cert_file` is what a proxy in front of a listener without TLS shows."""

    def __init__(
        self,
        registrar: Registrar,
        records: Records,
        proxy_cert_file: Path | None,
        metrics: CollectorRegistry,
        now_ms: Callable[[], int],
    ) -> None:
        self._registrar = registrar
        self._records = records
        self._proxy_cert_file = proxy_cert_file
        self._now_ms = now_ms
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._unheard: dict[str, float] = {}
        """Addresses: until when they are not heard."""
        self._reported = FirstOnly(100)
        self._answers = Counter(
            "campus_enrolment_answers",
            "Questions of gateways that enrol or take new keys, by question and status",
            ["question", "status"],
            registry=metrics,
        )

    def begin(
        self, request: h11.Request, caller: Caller, door: Door, talk: Talk, failed: Callable[[str], None]
    ) -> Reply | Reading | None:
        """As `Questions` says."""
        path = request.target.decode("latin-1")
        if path not in _NAMES:
            return None
        if (reply := objection(request, CONTENT_TYPE, BODY_BYTES_MAX)) is not None:
            return self._count(path, reply)
        address = self._address(request, caller)
        body = Body(talk, "bulk")

        async def finish(_: int) -> Reply:
            self._waiting += 1
            try:
                data = body.taken()
                if data is None or self._waiting > WAITING_MAX:
                    return self._count(path, later(429, 1))
                async with self._turn:
                    return self._count(path, await self._answer(path, data, address, caller, door))
            finally:
                self._waiting -= 1
                talk.give_back()

        return Reading(body, finish, failed)

    def _count(self, path: str, reply: Reply) -> Reply:
        self._answers.labels(_NAMES[path], str(reply.status)).inc()
        return reply

    def _address(self, request: h11.Request, caller: Caller) -> str:
        """Of whoever asks; of a proxy's words only the last, which is its own, and only where there is one."""
        told = dict(request.headers).get(b"x-forwarded-for", b"") if self._proxy_cert_file else b""
        last = told.decode("latin-1").rpartition(",")[2]
        return host_of(last) or host_of(caller.address) or "unknown"

    async def _answer(self, path: str, data: bytes, address: str, caller: Caller, door: Door) -> Reply:
        found: bytes | Reply
        try:
            if path == ENROL_PATH:
                found = await self._enrol(data, address, caller)
            else:
                found = await self._rotate(data, caller, door)
        except (EnrolmentError, EnvelopeError) as error:
            return problem(400, str(error))
        except RefusedError as error:
            log.info(
                "question of a gateway refused", question=_NAMES[path], status=error.status, address=address
            )
            return problem(error.status, str(error), error.retry_s)
        except RecordsUnavailableError:
            return later(503, AWAY_S)
        return (
            found
            if isinstance(found, Reply)
            else Reply(200, found, ((b"Content-Type", CONTENT_TYPE.encode()),))
        )

    async def _enrol(self, data: bytes, address: str, caller: Caller) -> bytes:
        question = decode(data, Question)
        if (wait_s := self._unheard.get(address, 0.0) - time.monotonic()) > 0:
            raise RefusedError(429, "too many wrong codes came; come again later", math.ceil(wait_s))
        work = partial(
            self._registrar.enrol,
            question=question,
            fingerprint=await self._shown(caller),
            address=address,
            now_ms=self._now_ms(),
        )
        try:
            found = await self._records.run(work)
        except RefusedError as error:
            if error.status == 429:
                self._remember(address, error.retry_s or 0)
            raise
        if isinstance(found, RefusedError):
            if self._reported.first(address):
                log.warning("a wrong code for enrolment", address=address)
            raise found
        return found

    def _remember(self, address: str, wait_s: float) -> None:
        """Who asks too often costs no transaction each time."""
        if len(self._unheard) >= UNHEARD_MAX:
            self._unheard.clear()
        self._unheard[address] = time.monotonic() + wait_s

    async def _shown(self, caller: Caller) -> bytes:
        if caller.shown or self._proxy_cert_file is None:
            return caller.shown
        try:
            # Each time: it is renewed without us.
            return fingerprint_of(await asyncio.to_thread(shown_certificate, self._proxy_cert_file))
        except UsageError as error:
            log.error("nobody can enrol", error=str(error))
            raise RefusedError(503, "the collector cannot read the certificate of its proxy", 60) from None

    async def _rotate(self, data: bytes, caller: Caller, door: Door) -> bytes | Reply:
        envelope = open_envelope(data)
        if envelope.kind is not Kind.ROTATION:
            raise EnrolmentError("no question for new keys")
        rotation = decode(envelope.payload, Rotation)
        place = Place(rotation.school, rotation.gateway, "bulk")
        sender = await asyncio.to_thread(door.recognise, place, data, caller.badge)
        if sender == "unread":
            return later(503, AWAY_S)
        if sender != "known":
            return REFUSALS[sender].reply()
        work = partial(self._registrar.rotate, envelope=envelope, rotation=rotation, now_ms=self._now_ms())
        return await self._records.run(work)
