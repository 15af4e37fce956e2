"""Sessions of guardians: whose a request is, whether it may change something, and its page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from fastapi import Request
from fastapi.responses import HTMLResponse
from sqlalchemy import Connection

from identity_vault.rights import links, views
from identity_vault.rights.limits import Rate
from identity_vault.rights.links import Visitor
from identity_vault.rights.pages.visits import bad_form, no_session, page, read_form, reader_of, too_often
from identity_vault.vault import Vault

Result = TypeVar("Result")

COOKIE: Final = "guardian"
REQUESTS_PER_MINUTE: Final = 120
"""By one guardian, or by all without a session from one address."""
CHANGES_PER_HOUR: Final = 30
"""By one guardian."""
_MINUTE_MS: Final = 60_000


class Sessions:
    """One for the life of the service."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._requests = Rate(REQUESTS_PER_MINUTE, _MINUTE_MS, vault.now_ms)
        self._changes = Rate(CHANGES_PER_HOUR, 60 * _MINUTE_MS, vault.now_ms)

    async def visit(self, request: Request, work: Callable[[Connection, Visitor], Result]) -> Result:
        """`work` for whoever's session it is. Raises PageError where there is none."""
        session = session_of(request)

        def visit(connection: Connection) -> Result:
            visitor = links.find_visitor(self._vault, connection, session)
            # By guardian, for behind a proxy all of them have one address.
            if not self._requests.allows(address_of(request) if visitor is None else visitor.guardian.id):
                raise too_often()
            if visitor is None:
                raise no_session()
            return work(connection, visitor)

        return await self._vault.run(visit)

    async def post(
        self, request: Request, work: Callable[[Connection, Visitor, dict[str, str]], Result]
    ) -> Result:
        """As `visit`, for a form of this session."""
        form, session = await read_form(request), session_of(request)

        def change(connection: Connection, visitor: Visitor) -> Result:
            if not links.is_form_token(self._vault, session, form.get("token", "")):
                raise bad_form()
            if not self._changes.allows(visitor.guardian.id):
                raise too_often()
            return work(connection, visitor, form)

        return await self.visit(request, change)

    def page(
        self, request: Request, template: str, visitor: Visitor, status: int = 200, **values: object
    ) -> HTMLResponse:
        reader = self.reader(request)
        return page(
            template,
            reader,
            status,
            visitor=visitor,
            here=request.url.path,
            until=reader.time(visitor.until_ms)[-5:],
            token=links.form_token(self._vault, session_of(request)),
            **values,
        )

    def reader(self, request: Request) -> views.Reader:
        return reader_of(request, self._vault.config.zone)


def session_of(request: Request) -> str:
    """The session's secret; empty without one."""
    return request.cookies.get(COOKIE, "")


def address_of(request: Request) -> str:
    return request.client.host if request.client else ""
