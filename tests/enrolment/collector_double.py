"""A collector that keeps the protocol of enrolment, and breaks it where a test says so."""

from __future__ import annotations

import datetime as dt
import functools
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from foundation.keyfiles import public_text
from telemetry import enrolment
from telemetry.enrolment import Answer, Endpoint, Question, Rotation, Sealed
from telemetry.envelope import Kind, Signer, key_id, open_envelope, verify
from tests.foundation.test_broker_tls import Authority

CODE = "K7QM-3XWD"
SCHOOL, GATEWAY = "example-primary", "gw-301"
VAULT = "https://127.0.0.1:1"
"""Nobody listens there."""


_code_key = functools.cache(enrolment.code_key)


class CollectorDouble:
    """change: what a test makes of a good answer. status: said instead of one."""

    def __init__(self, folder: Path, *, days: tuple[int, int] = (-1, 1)) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.authority = Authority(folder, "double-ca")
        self.key = Ed25519PrivateKey.generate()
        self.change: Callable[[Answer], Answer] = lambda answer: answer
        self.status = 200
        self.headers: dict[str, str] = {}
        self.code = CODE
        self.guesses = False
        """Answers without knowing the code."""
        self.once = False
        """The code is good once, and for a question that is repeated with the same keys."""
        self.lost = 0
        """Answers that will not arrive."""
        self.vault: str | None = None
        self.mqtt: Endpoint | None = None
        self.days = (-1, 365)
        self.questions: list[Question] = []
        self.accepted: list[Question] = []
        self.known: list[Ed25519PublicKey] = []
        self.port = 0
        self._certificate = self.authority.issue("collector", days)
        der = x509.load_pem_x509_certificate(self._certificate[0].read_bytes())
        self.fingerprint = der.fingerprint(hashes.SHA256())

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @contextmanager
    def listening(self) -> Iterator[CollectorDouble]:
        double = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, answer = double.post(self.path, body)
                if double.lost:
                    double.lost -= 1
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Content-Type", enrolment.CONTENT_TYPE)
                self.send_header("Content-Length", str(len(answer)))
                for name, value in double.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_: Any) -> None:
                pass  # a client that turned away from the certificate

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self._certificate)
        server = Server(("127.0.0.1", 0), Handler)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def post(self, path: str, body: bytes) -> tuple[int, bytes]:
        if self.status != 200:
            return self.status, b""
        if path == enrolment.ENROL_PATH:
            return self._enrol(body)
        if path == enrolment.ROTATE_PATH:
            return self._rotate(body)
        return 404, b""

    def _enrol(self, body: bytes) -> tuple[int, bytes]:
        question = enrolment.decode(body, Question)
        self.questions.append(question)
        key = _code_key(self.code)
        proof = enrolment.question_proof(key, question, self.fingerprint)
        if not enrolment.proves(question.proof, proof) and not self.guesses:
            return 401, b""
        used_by = {(one.public_key, _key_in(one.request)) for one in self.accepted}
        if self.once and used_by and (question.public_key, _key_in(question.request)) not in used_by:
            return 403, b""
        self.accepted.append(question)
        self.known.append(Ed25519PublicKey.from_public_bytes(question.public_key))
        answer = enrolment.encode(self.change(self._answer(question.nonce, question.request)))
        return 200, enrolment.encode(Sealed(answer, enrolment.answer_proof(key, answer)))

    def _rotate(self, body: bytes) -> tuple[int, bytes]:
        envelope = open_envelope(body)
        signer = next((one for one in self.known if key_id(one) == envelope.key_id), None)
        if signer is None:
            return 401, b""
        rotation = enrolment.decode(verify(envelope, signer), Rotation)
        new = Ed25519PublicKey.from_public_bytes(rotation.public_key)
        new.verify(rotation.held, enrolment.rotation_claim(rotation))
        self.known.append(new)
        answer = enrolment.encode(self.change(self._answer(rotation.nonce, rotation.request)))
        return 200, Signer(self.key).wrap(Kind.ROTATED, answer)

    def _answer(self, nonce: bytes, request: bytes) -> Answer:
        certificate, not_after = self.certify(request, enrolment.common_name(SCHOOL, GATEWAY))
        return Answer(
            enrolment.FORMAT,
            nonce,
            SCHOOL,
            GATEWAY,
            "Asia/Shanghai",
            public_text(self.key.public_key()),
            self.authority.file.read_text("ascii"),
            certificate,
            int(not_after.timestamp() * 1_000),
            self.mqtt,
            self.url,
            self.vault,
            public_text(self.key.public_key()) if self.vault else None,
        )

    def certify(self, request: bytes, name: str) -> tuple[str, dt.datetime]:
        csr = x509.load_der_x509_csr(request)
        assert csr.is_signature_valid
        now = dt.datetime.now(dt.UTC)
        not_after = now + dt.timedelta(days=self.days[1])
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(self.authority._name)
            .public_key(csr.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + dt.timedelta(days=self.days[0]))
            .not_valid_after(not_after)
            .sign(self.authority._key, hashes.SHA256())
        )
        return certificate.public_bytes(Encoding.PEM).decode(), not_after


def _key_in(request: bytes) -> bytes:
    key = x509.load_der_x509_csr(request).public_key()
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
