"""Decides what becomes of a request: who sent it, whether that is true, and what is in it."""

from __future__ import annotations

import logging
from functools import partial
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit
from zoneinfo import ZoneInfo

import h11
import structlog

from device_profiles.http_push import HttpDecoder, parse_body
from device_profiles.parsing import DecodeError
from device_profiles.registry import Catalogue
from edge_agent.clock import Clock
from edge_agent.counters import Counters, DeviceCounters
from edge_agent.drivers.contract import Sink
from edge_agent.drivers.http_push.answers import usual
from edge_agent.drivers.http_push.bodies import Body, body_for
from edge_agent.drivers.http_push.config import HttpDevice, HttpSource, bind_device
from edge_agent.drivers.http_push.credentials import (
    Credential,
    Nobody,
    Request,
    load_password,
    load_token,
)
from edge_agent.drivers.http_push.digest import Digest, Verdict
from edge_agent.drivers.http_push.heard import Heard
from edge_agent.drivers.http_push.peers import Peers
from foundation.httpconnection import Handler, Reading, Reply
from foundation.keyfiles import KeyFileError
from foundation.logs import FirstOnly
from telemetry.readings import Chunk, SeriesTable

log = structlog.get_logger()

UNKNOWN: Final = "unknown"
METHODS: Final = frozenset({b"POST", b"PUT"})
QUERY_FIELDS_MAX: Final = 16
UNANSWERED_MAX: Final = 3
"""Requests without a credential in a row from which on they are told: it is no Digest's beginning."""


class _Poster:
    """A device: how its posts are read, and how it shows who it is."""

    def __init__(self, decoder: HttpDecoder, credential: Credential) -> None:
        self.id = decoder.device
        self.decoder = decoder
        self.credential = credential
        self.unanswered = 0
        """Requests without a credential since the last good one."""


class Desk:
    """The devices of a listener. `taking`: False tells every device to keep what it has."""

    def __init__(
        self,
        source: HttpSource,
        *,
        catalogue: Catalogue,
        table: SeriesTable,
        zone: ZoneInfo,
        clock: Clock,
        counters: Counters,
        sink: Sink,
        taking: bool,
    ) -> None:
        # It would write bytes of a body down.
        logging.getLogger("python_multipart").setLevel(logging.CRITICAL)
        self.counters = counters
        self.unusable: dict[str, str] = {}
        """Devices whose credential cannot be read, and why."""
        self._name = source.name
        self._body_bytes_max = source.body_bytes_max
        self._clock = clock
        self._sink = sink
        self._taking = taking
        self._digest = Digest()
        self._reported = FirstOnly()
        self._posters = {
            device.address: _Poster(
                bind_device(device, catalogue, table, zone), self._credential(source.name, device)
            )
            for device in source.devices
        }

    @property
    def devices(self) -> int:
        return len(self._posters)

    def handler(self, peer: str, peers: Peers) -> Handler:
        """For one connection."""
        return Handler(partial(self._begin, peer, peers), partial(self._refused, UNKNOWN), usual)

    def _credential(self, driver: str, device: HttpDevice) -> Credential:
        try:
            if device.token_file is not None:
                return load_token(device.token_file)
            assert device.password_file is not None
            assert device.username is not None
            return load_password(device.username, device.password_file, self._digest)
        except KeyFileError as error:
            self.unusable[device.id] = str(error)
            log.error("every post of a device is refused", driver=driver, device=device.id, error=str(error))
            return Nobody()

    def _begin(self, peer: str, peers: Peers, request: h11.Request) -> Reply | Reading:
        if request.method not in METHODS:
            self._refused(UNKNOWN, "wrong_method")
            return Reply(405, headers=((b"Allow", b"POST, PUT"),))
        headers = {name: value.decode("latin-1") for name, value in request.headers}
        poster, shown = self._find(request, headers.get(b"authorization", ""))
        if poster is None:
            return self._denied(UNKNOWN, "no_device_for_path", peer, Reply(404, delay_s=peers.failed(peer)))
        if denial := self._judge(poster, shown, peer, peers):
            return denial
        length = int(headers.get(b"content-length", "0"))
        if length > self._body_bytes_max:
            self._refused(poster.id, "too_large", length)
            return Reply(413)
        if headers.get(b"content-encoding", "identity").strip().lower() not in {"", "identity"}:
            self._refused(poster.id, "encoded")
            return Reply(415)
        body = body_for(headers.get(b"content-type", ""))
        return Reading(body, partial(self._read, poster, body), partial(self._refused, poster.id))

    def _judge(self, poster: _Poster, shown: Request, peer: str, peers: Peers) -> Reply | None:
        """The answer to who is not who it should be. A first request without a credential is no
        attempt at anything: every Digest begins so.
        """
        verdict = poster.credential.judge(shown)
        if verdict is Verdict.GOOD:
            poster.unanswered = 0
            peers.succeeded(peer)
            return None
        challenges = poster.credential.challenges(stale=verdict is Verdict.STALE)
        reply = Reply(401, headers=tuple((b"WWW-Authenticate", one) for one in challenges))
        if verdict is Verdict.WRONG:
            return self._denied(poster.id, verdict.value, peer, reply._replace(delay_s=peers.failed(peer)))
        poster.unanswered += 1
        if poster.unanswered >= UNANSWERED_MAX or not self._taking:
            self._denied(poster.id, verdict.value, peer, reply)
        return reply

    def _find(self, request: h11.Request, authorization: str) -> tuple[_Poster | None, Request]:
        """The device that posts to an address, and what the address says besides."""
        target = request.target.decode("latin-1")
        try:
            parts = urlsplit(target)
            path = unquote(parts.path).rstrip("/")
            query = dict(parse_qsl(parts.query, max_num_fields=QUERY_FIELDS_MAX))
        except ValueError:
            path, query = "", {}
        tail = ""
        poster = self._posters.get(path)
        if poster is None:
            head, _, tail = path.rpartition("/")
            poster = self._posters.get(head)
        return poster, Request(request.method.decode("latin-1"), target, tail, query, authorization)

    def _denied(self, device: str, reason: str, peer: str, reply: Reply) -> Reply:
        self._refused(device, reason)
        if self._reported.first((peer, device, reason)):
            log.warning("a post was denied", driver=self._name, device=device, peer=peer, reason=reason)
        return reply

    def _refused(self, device: str, reason: str, size_bytes: int = 0) -> None:
        self._sink.refused(device, reason, size_bytes)

    def _read(self, poster: _Poster, body: Body, size_bytes: int) -> Reply:
        """Hands over what is in a post; synchronous, so that what is answered for is handed over."""
        self.counters.messages_in += 1
        self.counters.devices.setdefault(poster.id, DeviceCounters()).last_seen_ms = self._clock.now_ms()
        if body.pictures:
            self.counters.dropped["pictures_discarded"] += body.pictures
        good = False
        for text in body.texts:
            good = self._decode(poster, text) or good
        if body.problem:
            self._refused(poster.id, body.problem, size_bytes)
        if isinstance(self._sink, Heard):
            self._sink.posted(poster.id)
        if not self._taking:
            return Reply(503, headers=((b"Retry-After", b"30"),))
        if good or (not body.texts and not body.problem):
            return Reply(200, poster.decoder.answer)
        return Reply(413 if body.problem == "too_large" else 400)

    def _decode(self, poster: _Poster, text: bytes) -> bool:
        """Whether the message could be read, if only to say that it gives nothing: a device that hears
        "bad request" posts the same again.
        """
        try:
            payload = parse_body(text)
        except DecodeError as error:
            self._refused(poster.id, error.reason, len(text))
            return False
        chunk = Chunk()
        outcome = poster.decoder.decode(
            payload, self._clock.now_ms(), chunk, trust_device_time=self._clock.known
        )
        if chunk:
            self._sink.readings(chunk)
        for check in outcome.checks:
            self._sink.check(check)
        for tap in outcome.taps:
            self._sink.tap(tap)
        for reason in outcome.refused:
            self._refused(poster.id, reason, len(text))
        return True
