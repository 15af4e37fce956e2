"""A school's page with accounts, one person and one token of every role, and something of everybody's behind it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from collector.accounts.model import NewAccount
from collector.accounts.oidc import OidcSignIn
from collector.accounts.oidc_settings import OidcSection
from collector.accounts.permissions import ROLE_PERMISSIONS, ROLES, Permission
from collector.accounts.tokens import SCOPES
from collector.alerts.numbers import AlertNumbers
from collector.enrolment.authority import Authority
from collector.enrolment.issuing import Directions
from collector.enrolment.registrar import Registrar
from collector.vault.settings import VaultSection
from collector.web.access import declared
from collector.web.names import Names
from foundation.keyfiles import write_secret
from telemetry.envelope import Signer
from tests.accounts.accounts_bench import GOOD, HERE, Bench
from tests.accounts.oidc_provider import CLIENT_ID, CLIENT_SECRET
from tests.fleet.fleet_parts import make_version, modbus
from tests.web.conftest import GATEWAY, NOW_MS, PSEUDONYM, SAFETY, SCHOOL, School, now_ms, reading
from tests.web.signing_parts import with_accounts

VICTIM = "victim"
"""An account that others may change."""
DEVICE, PLACE = "air-hidden-301", "teaching-9/hidden"
HIDDEN = (PSEUDONYM, DEVICE, PLACE, GATEWAY, VICTIM, "station-gate")
"""What nobody reads whom it does not concern."""


class Asker(NamedTuple):
    """Who sends a request, by which header, and what is permitted to them."""

    name: str
    header: tuple[bytes, bytes] | None
    permissions: frozenset[Permission]

    def may(self, permissions: Iterable[Permission]) -> bool:
        return any(one in self.permissions for one in permissions)


NOBODY = Asker("nobody", None, frozenset())


class Route(NamedTuple):
    method: str
    path: str
    permissions: tuple[Permission, ...]

    def of(self, **values: object) -> str:
        """The path with what its parameters are to be; those not named are right."""
        return self.path.format(**(_RIGHT | values))


_NUMBERS = AlertNumbers(bytes(32))
FEVER = _NUMBERS.outside(1)
_RIGHT: dict[str, object] = {
    "school": SCHOOL, "gateway": GATEWAY, "version": 1, "before": 1, "after": 1, "alert_id": FEVER, "username": VICTIM,
    "token_id": 1,
}  # fmt: skip


class SignedSchool:
    """The application without a socket, and everybody who asks it."""

    def __init__(self, school: School, bench: Bench, issuer: str) -> None:
        self.school, self.bench, self.issuer = school, bench, issuer
        self.askers: list[Asker] = [NOBODY]

    @classmethod
    async def open(cls, folder: Path, issuer: str) -> SignedSchool:
        """issuer: of the sign-in service."""
        school = await School.open(folder, lambda: NOW_MS)
        key = Ed25519PrivateKey.generate()
        directions = Directions("https://pulse.campus.example:8421", ("broker.campus.example", 8883))
        section = VaultSection(school=SCHOOL, url="https://vault.example", public_key="A" * 43 + "=")
        bench = with_accounts(
            school,
            registrar=Registrar(Authority.open(folder / "authority", NOW_MS), Signer(key), directions),
            alert_numbers=_NUMBERS,
            names=Names(section, key, lambda: NOW_MS),
            oidc=_sign_in_service(folder, issuer),
        )
        school.parts.closing.set()  # a stream of events ends at once
        made = cls(school, bench, issuer)
        await made._fill()
        return made

    async def _fill(self) -> None:
        school, bench = self.school, self.bench
        school.add_gateway()
        make_version(school.records, (SCHOOL, GATEWAY), modbus("one"))
        await school.add([reading("co2", 812, device=DEVICE, place=PLACE)])
        await school.add_alert()
        await school.add_alert(kind="smoke", **SAFETY)
        await bench.add(VICTIM, "nurse")
        for role in ROLES:
            name = f"{role}-1".replace("_", "-")
            permissions = ROLE_PERMISSIONS[role]
            if role == "admin":
                secret = (await bench.add_with_totp(name, role))[0]
            else:
                secret = (
                    await bench.add(name, role, classes=("3-2",) if role == "class_teacher" else None)
                ).secret
            self.askers.append(Asker(role, (b"cookie", f"session={secret}".encode()), permissions))
            scopes = permissions & set(SCOPES)
            if scopes:
                self.askers.append(Asker(f"token of {role}", await self.token(name, scopes), scopes))

        await self._add_half_signed_in()

    async def _add_half_signed_in(self) -> None:
        """Who has still to choose a password, and who has still to show the second factor: nobody yet."""
        accounts = self.bench.accounts
        first = await accounts.staff.add(NewAccount("newcomer", "示例", "nurse"), "test")
        for name, username, password in (
            ("newcomer", "newcomer", first),
            ("admin without a code", "admin-1", GOOD),
        ):
            begun = await accounts.sign_in(username, password, HERE)
            assert begun.step != "full"
            self.askers.append(Asker(name, (b"cookie", f"session={begun.secret}".encode()), frozenset()))

    async def token(self, username: str, scopes: Iterable[Permission]) -> tuple[bytes, bytes]:
        owner = await self.bench.accounts.staff.find(username)
        assert owner is not None
        made = await self.bench.accounts.tokens.make(owner.id, "fuzz", scopes, 30, username)
        return b"authorization", f"Bearer {made.secret}".encode()

    def asker(self, name: str) -> Asker:
        return next(one for one in self.askers if one.name == name)

    def routes(self) -> Iterator[Route]:
        """Every route, public ones too."""
        for one in declared(self.school.app):
            for method in sorted(one.methods):
                if one.permissions is not None:
                    yield Route(method, one.path, one.permissions)

    async def ask(
        self,
        asker: Asker,
        method: str,
        target: str,
        content: bytes = b"",
        headers: Iterable[tuple[bytes, bytes]] = (),
    ) -> httpx.Response:
        """What the application answers; target: path and query, as it is sent. No cookie is kept."""
        sent = [*headers, *([asker.header] if asker.header else [])]
        url = httpx.URL("http://localhost").copy_with(raw_path=target.encode("latin-1"))
        transport = httpx.ASGITransport(app=self.school.app)
        async with httpx.AsyncClient(transport=transport) as client:
            return await client.request(method, url, content=content, headers=_merged(sent))

    async def close(self) -> None:
        await self.school.close()


def _sign_in_service(folder: Path, issuer: str) -> OidcSignIn:
    secret = folder / "client.secret"
    write_secret(secret, CLIENT_SECRET.encode())
    section = OidcSection.model_validate({
        "issuer": issuer, "client_id": CLIENT_ID, "client_secret_file": secret, "public_url": "http://localhost",
        "name": "示例统一身份认证",
    })  # fmt: skip
    return OidcSignIn(section, now_ms)


def _merged(headers: Iterable[tuple[bytes, bytes]]) -> Any:
    return [(b"host", b"localhost"), *headers]
