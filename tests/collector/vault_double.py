"""A vault as far as the collector and its page see one: real sockets, real signatures, no roster."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from foundation.keyfiles import public_text
from identity_vault.names.roles import default_roles
from telemetry.envelope import Signer, open_envelope
from telemetry.exchange import (
    CONTENT_TYPE,
    PATH,
    Directory,
    DirectoryQuestion,
    Exposure,
    JoinAnswer,
    JoinQuestion,
    OrderReport,
    encode_message,
    read_question,
    wrap_answer,
)
from telemetry.names import (
    BREAK_GLASS_MINUTES_MAX,
    BREAK_GLASS_PATH,
    REASON_CHARS_MAX,
    REASON_CHARS_MIN,
    RESOLVE_PATH,
    BreakGlass,
)
from telemetry.purposes import Purpose
from telemetry.resolve_token import Claims, TokenError, read

Answer = tuple[int, str, bytes]
"""Status, content type, body."""
_PROBLEM = "application/problem+json"


def empty_directory(version: int = 1, **changes: Any) -> Directory:
    fields: dict[str, Any] = {
        "version": version, "issued_ms": time.time_ns() // 1_000_000, "epoch": "2026-27", "classes": [],
        "lessons": {}, "school_days": [], "orders": [],
    } | changes  # fmt: skip
    return Directory(**fields)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class VaultDouble:
    """Answers on a free port of this machine until `close`.

    directory: what a collector is told. people: names by pseudonym, for browsers of `origin`. spoil:
    called with an answer before it goes out, to make it wrong. in_lesson: whether a class of the PE
    teacher has PE now. reasons: of each break-glass. grants: until when, ms UTC, by session and purpose.
    """

    def __init__(self, collector_key: Ed25519PublicKey) -> None:
        self.signer = Signer(Ed25519PrivateKey.generate())
        self.collector_key = collector_key
        self.directory = empty_directory()
        self.reports: list[OrderReport] = []
        self.haves: list[int] = []
        self.joins: list[JoinQuestion] = []
        self.people: dict[str, dict[str, str]] = {}
        self.claims: list[Claims] = []
        self.in_lesson = True
        self.reasons: list[str] = []
        self.grants: dict[tuple[str, Purpose], int] = {}
        self.origin = ""
        self.spoil: Callable[[Answer], Answer] = lambda answer: answer
        self._server: ThreadingHTTPServer | None = None
        self.port = 0
        self.open()

    def open(self) -> None:
        """Listens; again on the same port after `close`."""
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), self._handler())
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def public_key(self) -> str:
        return public_text(self.signer.public_key)

    def exchange(self, body: bytes) -> Answer:
        question = read_question(open_envelope(body), self.collector_key)
        if isinstance(question, DirectoryQuestion):
            self.haves.append(question.have)
            self.reports += question.done
            done = {report.order for report in question.done}
            found = self.directory
            orders = [order for order in found.orders if order.id not in done]
            classes = None if question.have == found.version else found.classes
            message = encode_message(
                Directory(
                    found.version, time.time_ns() // 1_000_000, found.epoch, classes, found.lessons,
                    found.school_days, orders,
                )
            )  # fmt: skip
            self.directory = Directory(
                found.version, found.issued_ms, found.epoch, found.classes, found.lessons, found.school_days,
                orders,
            )  # fmt: skip
        elif isinstance(question, JoinQuestion):
            self.joins.append(question)
            message = encode_message(JoinAnswer({name: Exposure(6, None, 20) for name in question.exposures}))
        else:
            return 403, "application/problem+json", b'{"title": "Forbidden", "status": 403}'
        return 200, CONTENT_TYPE, wrap_answer(question, message, self.signer)

    def resolve(self, headers: Any, body: bytes) -> Answer:
        """As the vault: a token of the collector's, and pseudonyms in a list."""
        claims = self._read_token(headers)
        if claims is None:
            return 401, _PROBLEM, b'{"title": "Unauthorized", "status": 401}'
        role = default_roles()[claims.role]
        is_usual = claims.purpose in role.purposes and (self.in_lesson or not role.lesson_only)
        if not is_usual and self.grants.get((claims.session, claims.purpose), 0) <= _now_ms():
            return 403, _PROBLEM, b'{"title": "Forbidden", "status": 403}'
        asked = json.loads(body)["pseudonyms"]
        people = {one: self.people[one] for one in asked if one in self.people}
        return 200, "application/json", json.dumps({"people": people}).encode()

    def break_glass(self, headers: Any, body: bytes) -> Answer:
        """As the vault, without its limits on how many."""
        claims = self._read_token(headers)
        if claims is None:
            return 401, _PROBLEM, b'{"title": "Unauthorized", "status": 401}'
        wish = msgspec.json.decode(body, type=BreakGlass)
        if not (
            REASON_CHARS_MIN <= len(wish.reason.strip()) <= REASON_CHARS_MAX
            and 1 <= wish.minutes <= BREAK_GLASS_MINUTES_MAX
        ):
            return 422, _PROBLEM, b'{"title": "Unprocessable Content", "status": 422}'
        if wish.purpose not in default_roles()[claims.role].break_glass:
            return 403, _PROBLEM, b'{"title": "Forbidden", "status": 403}'
        self.reasons.append(wish.reason)
        expires_ms = self.grants[claims.session, wish.purpose] = _now_ms() + wish.minutes * 60_000
        answer = {"grant": "g-1", "purpose": wish.purpose, "expires_ms": expires_ms}
        return 200, "application/json", json.dumps(answer).encode()

    def _read_token(self, headers: Any) -> Claims | None:
        try:
            claims = read(
                headers.get("Authorization", "").removeprefix("Bearer "), self.collector_key, _now_ms()
            )
        except TokenError:
            return None
        self.claims.append(claims)
        return claims

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        vault = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None: ...

            def do_OPTIONS(self) -> None:
                self._send((204, "", b""))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                if self.path == PATH:
                    answer = vault.exchange(body)
                elif self.path == RESOLVE_PATH:
                    answer = vault.resolve(self.headers, body)
                elif self.path == BREAK_GLASS_PATH:
                    answer = vault.break_glass(self.headers, body)
                else:
                    answer = (404, "application/problem+json", b"{}")
                self._send(vault.spoil(answer))

            def _send(self, answer: Answer) -> None:
                status, content_type, body = answer
                self.send_response(status)
                if self.headers.get("Origin") == vault.origin and vault.origin:
                    self.send_header("Access-Control-Allow-Origin", vault.origin)
                    self.send_header("Access-Control-Allow-Headers", "authorization, content-type")
                    self.send_header("Access-Control-Allow-Methods", "POST")
                if content_type:
                    self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        return Handler
