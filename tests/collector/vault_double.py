"""A vault as far as the collector and its page see one: real sockets, real signatures, no roster."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from foundation.keyfiles import public_text
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
from telemetry.resolve_token import Claims, TokenError, read

Answer = tuple[int, str, bytes]
"""Status, content type, body."""


def empty_directory(version: int = 1, **changes: Any) -> Directory:
    fields: dict[str, Any] = {
        "version": version, "issued_ms": time.time_ns() // 1_000_000, "epoch": "2026-27", "classes": [],
        "lessons": {}, "school_days": [], "orders": [],
    } | changes  # fmt: skip
    return Directory(**fields)


class VaultDouble:
    """Answers on a free port of this machine until `close`.

    directory: what a collector is told. people: names by pseudonym, for browsers of `origin`. spoil:
    called with an answer before it goes out, to make it wrong.
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
        token = headers.get("Authorization", "").removeprefix("Bearer ")
        try:
            self.claims.append(read(token, self.collector_key, time.time_ns() // 1_000_000))
        except TokenError:
            return 401, "application/problem+json", b'{"title": "Unauthorized", "status": 401}'
        asked = json.loads(body)["pseudonyms"]
        people = {one: self.people[one] for one in asked if one in self.people}
        return 200, "application/json", json.dumps({"people": people}).encode()

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
                elif self.path == "/v1/resolve":
                    answer = vault.resolve(self.headers, body)
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
