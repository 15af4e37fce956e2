"""An invented family with a link to the guardians' pages, and a browser without a screen that opens it."""

from __future__ import annotations

import re
from typing import NamedTuple

import httpx
import msgspec
from fastapi import FastAPI

from identity_vault import roster
from identity_vault.exchange.desk import ExchangeDesk
from identity_vault.names import NamesDesk
from identity_vault.rights import links
from identity_vault.vault import Vault
from identity_vault.web.app import create_app
from identity_vault.web.parts import WebParts
from telemetry.purposes import Purpose
from tests.vault.vault_parts import add_somebody

TOKEN = re.compile(r'name="token" value="([0-9a-f]+)"')


class Family(NamedTuple):
    """A pupil and one guardian. number: the student number."""

    pupil: str
    guardian: roster.Guardian
    name: str
    number: str


def add_family(vault: Vault, number: int, *, purposes: tuple[Purpose, ...] = ("health",)) -> Family:
    pupil = add_somebody(vault, number, purposes=purposes)
    with vault.begin() as connection:
        found = roster.get_pupil(vault, connection, pupil)
        assert found is not None
        details = msgspec.structs.replace(found.details, name=f"示例小禾{number}", allergens=("peanuts",))
        roster.change_pupil(vault, connection, pupil, details=details)
        guardian = roster.GuardianDetails(
            name=f"示例家长{number}", phone=f"1380000{number:04d}", relation="母亲"
        )
        id_ = roster.add_guardian(vault, connection, pupil, guardian)
        roster.add_credential(vault, connection, pupil, "card", f"04A1B2C3{number:04X}", vault.now_ms())
    return Family(pupil, roster.Guardian(id_, pupil, guardian), details.name, details.student_number)


def make_link(vault: Vault, family: Family) -> str:
    """The secret of a new link."""
    with vault.begin() as connection:
        return links.make_link(vault, connection, "test", family.guardian)


def make_app(vault: Vault, desk: ExchangeDesk) -> FastAPI:
    return create_app(WebParts(vault, desk, NamesDesk(vault, None)))


class Browser:
    """Keeps a cookie and the token of the last page, as a browser's forms do."""

    def __init__(self, app: FastAPI) -> None:
        transport = httpx.ASGITransport(app=app)
        self.http = httpx.AsyncClient(transport=transport, base_url="http://localhost")
        self.token = ""

    async def open(self, secret: str) -> httpx.Response:
        return await self.post("/g/open", secret=secret)

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return self._seen(await self.http.get(path, headers=headers))

    async def post(self, path: str, **fields: str) -> httpx.Response:
        """A form with the last page's token; follows to where the answer leads."""
        sent = {"token": self.token} | fields
        return self._seen(await self.http.post(path, data=sent, follow_redirects=True))

    def _seen(self, response: httpx.Response) -> httpx.Response:
        found = TOKEN.search(response.text)
        if found is not None:
            self.token = found[1]
        return response
