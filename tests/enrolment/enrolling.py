"""A collector's side of enrolment on real sockets, and boxes that ask it."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from collector.enrolment.authority import Authority, write_pair
from collector.enrolment.desk import EnrolmentDesk
from collector.enrolment.issuing import Directions
from collector.enrolment.keeper import Keeper
from collector.enrolment.registrar import Registrar
from collector.intake.http import HttpIntake
from collector.intake.http_callers import fingerprint_of
from collector.intake.http_settings import IntakeHttpSection
from collector.records import enrolment
from collector.records.enrolment import Certificate
from foundation.keyfiles import public_text
from foundation.webserver import listen
from telemetry import enrolment as protocol
from telemetry.enrolment import (
    CONTENT_TYPE,
    ENROL_PATH,
    FORMAT,
    NONCE_BYTES,
    ROTATE_PATH,
    Answer,
    Question,
    Rotation,
    Sealed,
    answer_proof,
    decode,
    encode,
    question_proof,
    rotation_claim,
)
from telemetry.envelope import Kind, Signer, key_id, open_envelope, verify
from telemetry.posting import CONTENT_TYPE as POST_TYPE
from telemetry.posting import Place, pack
from tests.collector.conftest import SCHOOL, Lab, Sender

GATEWAY = "gw-301"
URL = "https://pulse.campus.example:8421"
DAY_MS = 24 * 60 * 60_000


code_key = cache(protocol.code_key)
"""As the protocol's, but of one code only once."""
WRONG_CODE = "WRNG-CDEF"


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


def csr(key: Any, name: str = "whoever", *extensions: x509.ExtensionType) -> bytes:
    """A signing request, DER."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    for one in extensions:
        builder = builder.add_extension(one, critical=False)
    algorithm = None if isinstance(key, Ed25519PrivateKey | Ed448PrivateKey) else hashes.SHA256()
    return builder.sign(key, algorithm).public_bytes(Encoding.DER)


class Box:
    """A gateway's keys, and what it says with them."""

    def __init__(self) -> None:
        self.key = Ed25519PrivateKey.generate()
        self.tls_key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = ""
        self.nonces = 0

    @property
    def key_id(self) -> str:
        return key_id(self.key.public_key()).hex()

    def nonce(self) -> bytes:
        self.nonces += 1
        return self.nonces.to_bytes(NONCE_BYTES)

    def question(self, code: str, shown: bytes, **changes: Any) -> Question:
        fields: dict[str, Any] = {
            "format": FORMAT, "nonce": self.nonce(), "public_key": self.key.public_key().public_bytes_raw(),
            "request": csr(self.tls_key), "software": "1.0",
        } | changes  # fmt: skip
        question = Question(**fields)
        return Question(**fields | {"proof": question_proof(code_key(code), question, shown)})

    def rotation(self, new: Box, issued_ms: int, *, signer: Box | None = None, **changes: Any) -> bytes:
        """An envelope that asks for the keys of `new`, signed with ours."""
        fields: dict[str, Any] = {
            "format": FORMAT, "nonce": self.nonce(), "school": SCHOOL, "gateway": GATEWAY,
            "issued_ms": issued_ms, "public_key": new.key.public_key().public_bytes_raw(),
            "request": csr(new.tls_key),
        } | changes  # fmt: skip
        fields.setdefault("held", new.key.sign(rotation_claim(Rotation(**fields))))
        return Signer((signer or self).key).wrap(Kind.ROTATION, encode(Rotation(**fields)))

    def sender(self, gateway: str = GATEWAY) -> Sender:
        """What it sends afterwards."""
        sender = Sender(gateway)
        sender.signer = Signer(self.key)
        return sender

    def files(self, folder: Path) -> tuple[Path, Path]:
        """Certificate and key for TLS."""
        folder.mkdir(exist_ok=True)
        files = folder / f"{self.key_id}.pem", folder / f"{self.key_id}.key"
        files[0].write_text(self.certificate, "ascii")
        files[1].write_bytes(self.tls_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return files


class Site:
    """The collector, and ways to ask it. `ahead_ms`: how far its clock is ahead of the world's."""

    def __init__(
        self,
        lab: Lab,
        folder: Path,
        *,
        directions: Directions | None = None,
        proxy: Path | None = None,
        **section: Any,
    ) -> None:
        self.lab, self.folder = lab, folder
        self.ahead_ms = 0
        self.code = ""
        lab.now_ms = wall_ms()
        self.authority = Authority.open(folder / "authority", wall_ms())
        self.notes: list[tuple[str, ...]] = []
        self.registrar = Registrar(
            self.authority,
            Signer(lab.key),
            directions or Directions(URL, ("broker.campus.example", 8883)),
            lambda _, *words: self.notes.append(words),
        )
        self.desk = EnrolmentDesk(self.registrar, lab.records, proxy, lab.registry, self.now_ms)
        if proxy is None:
            key, certificate = self.authority.issue_own("127.0.0.1", ["127.0.0.1"], "server", wall_ms())
            certificate_file = folder / "server.pem"
            if not certificate_file.exists():
                write_pair(folder, "server", key, certificate)
            self.shown = fingerprint_of(x509.load_pem_x509_certificate(certificate_file.read_bytes()))
            section |= {"cert_file": certificate_file, "key_file": folder / "server.key"}
        self.intake = HttpIntake(
            IntakeHttpSection(host="127.0.0.1", port=0, **section),
            listen("127.0.0.1", 0),
            lab.registry,
            lab.overview.refused,
            authority_file=self.authority.certificate_file,
            questions=self.desk,
        )
        self.keeper = Keeper(
            self.registrar,
            lab.records,
            shown_ends_ms=self.intake.certificate_ends_ms,
            proved=lab.line.registry.proved,
            held=lambda: lab.line.registry.certificates,
            metrics=lab.registry,
            now_ms=self.now_ms,
        )

    def now_ms(self) -> int:
        return wall_ms() + self.ahead_ms

    async def invite(self, gateway: str = GATEWAY, *, school: str = SCHOOL, replaces: bool = False) -> str:
        """A code."""
        invited, add = self.registrar.invite(
            school, gateway, replaces=replaces, by="tester", now_ms=self.now_ms()
        )
        await self.lab.records.run(add)
        return invited.code

    async def post(
        self,
        path: str,
        body: bytes,
        *,
        box: Box | None = None,
        content_type: str = CONTENT_TYPE,
        **headers: str,
    ) -> httpx.Response:
        """box: whose certificate the connection shows."""
        verify: ssl.SSLContext | bool = False
        if self.intake.url.startswith("https"):
            verify = ssl.create_default_context(cafile=str(self.authority.certificate_file))
            if box is not None:
                verify.load_cert_chain(*box.files(self.folder / "boxes"))
        async with httpx.AsyncClient(verify=verify, base_url=self.intake.url, timeout=20) as client:
            return await client.post(path, content=body, headers={"Content-Type": content_type} | headers)

    async def ask(self, question: Question, **options: Any) -> httpx.Response:
        return await self.post(ENROL_PATH, encode(question), **options)

    async def enrolled(
        self, box: Box | None = None, gateway: str = GATEWAY, *, replaces: bool = False
    ) -> Box:
        """A box that has enrolled, known to the line too."""
        box = box or Box()
        code = await self.invite(gateway, replaces=replaces)
        question = box.question(code, self.shown)
        answer = self.opened(await self.ask(question), code, question)
        box.certificate = answer.certificate
        await self.knows(box)
        return box

    def opened(self, response: httpx.Response, code: str, question: Question) -> Answer:
        """The answer, as a gateway believes it."""
        assert response.status_code == 200, response.text
        assert response.headers["content-type"] == CONTENT_TYPE
        sealed = decode(response.content, Sealed)
        assert sealed.proof == answer_proof(code_key(code), sealed.answer)
        answer = decode(sealed.answer, Answer)
        assert answer.nonce == question.nonce
        return answer

    async def rotate(self, envelope: bytes, box: Box | None) -> httpx.Response:
        return await self.post(ROTATE_PATH, envelope, box=box)

    async def rotated(self, envelope: bytes, box: Box | None) -> Answer:
        response = await self.rotate(envelope, box)
        assert response.status_code == 200, response.text
        found = open_envelope(response.content)
        assert found.kind is Kind.ROTATED
        return decode(verify(found, self.lab.key.public_key()), Answer)

    async def report(self, box: Box, gateway: str = GATEWAY, *, shows: Box | None = None) -> httpx.Response:
        """Posts a status signed with the box's key, over a connection that shows the certificate of `shows`."""
        message = box.sender(gateway).status()
        place = Place(SCHOOL, gateway, "bulk")
        return await self.post(place.path, pack([message.data]), box=shows, content_type=POST_TYPE)

    async def knows(self, box: Box) -> None:
        """The line has read this key when this returns, and what is recorded of certificates."""
        await self.reread()
        assert self.lab.line.registry.find(bytes.fromhex(box.key_id))

    async def reread(self) -> None:
        """The line's registry, now."""
        registry = self.lab.line.registry
        self.lab.now_ms = self.now_ms()
        async with registry._reading:  # what is being read at the moment may be of before
            registry._read_s = float("-inf")
        await registry.refresh()

    async def certificates(self, gateway: str = GATEWAY) -> list[Certificate]:
        """Those that are not revoked."""
        return await self.lab.records.look(partial(enrolment.certificates, school=SCHOOL, gateway=gateway))

    def key_of(self, gateway: str = GATEWAY) -> str:
        found = {one.id: one.public_key for one in self.lab.records.list_gateways()}
        return found[gateway]

    def revoked_in_crl(self) -> set[int]:
        crl = x509.load_pem_x509_crl(self.authority.crl_file.read_bytes())
        assert crl.is_signature_valid(self.authority.certificate.public_key())  # type: ignore[arg-type]
        return {one.serial_number for one in crl}


@contextlib.asynccontextmanager
async def site_of(lab: Lab, folder: Path, **options: Any) -> AsyncIterator[Site]:
    site = Site(lab, folder, **options)
    running = asyncio.create_task(site.intake.run(lab.line), name="intake-under-test")
    try:
        yield site
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        site.intake._listening.close()


def public(box: Box) -> str:
    return public_text(box.key.public_key())
