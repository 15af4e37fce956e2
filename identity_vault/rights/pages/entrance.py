"""Coming in by a link, and leaving."""

from __future__ import annotations

import re
from typing import Final

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from identity_vault.rights import links
from identity_vault.rights.limits import Rate
from identity_vault.rights.pages.sessions import COOKIE, Sessions, address_of, session_of
from identity_vault.rights.pages.visits import link_error, message, page, read_form, too_often
from identity_vault.vault import Vault

OPENINGS_PER_MINUTE: Final = 120
"""From one address, which behind a proxy all guardians share. A secret of 160 bits is not guessed."""
_SECRET: Final = re.compile(r"[0-9A-Z]{1,64}")


class EntrancePages:
    """The handlers of links."""

    def __init__(self, vault: Vault, sessions: Sessions) -> None:
        self._vault, self._sessions = vault, sessions
        self._openings = Rate(OPENINGS_PER_MINUTE, 60_000, vault.now_ms)

    async def show_link(self, request: Request) -> Response:
        """Opens nothing yet: messengers look at links before people do."""
        secret = request.path_params["secret"]
        if not _SECRET.fullmatch(secret):
            raise link_error("unknown")
        reader = self._sessions.reader(request)
        return page("open.html", reader, secret=secret, visitor=None, here=f"/g/open/{secret}")

    async def open_link(self, request: Request) -> Response:
        if not self._openings.allows(address_of(request)):
            raise too_often()
        secret = (await read_form(request)).get("secret", "")
        try:
            session = await self._vault.run(
                lambda connection: links.open_link(self._vault, connection, secret)
            )
        except links.LinkError as error:
            raise link_error(error.reason) from None
        response = RedirectResponse("/g/", 303)
        response.set_cookie(
            COOKIE,
            session,
            links.SESSION_LIFE_MS // 1_000,
            path="/g",
            httponly=True,
            samesite="strict",
            secure=links.is_encrypted(self._vault),
        )
        return response

    async def leave(self, request: Request) -> Response:
        session = session_of(request)
        await self._sessions.post(
            request, lambda connection, _, __: links.end_session(self._vault, connection, session)
        )
        reader = self._sessions.reader(request)
        response = message(
            reader,
            200,
            reader.say("已退出", "You have left"),
            reader.say("可以关闭本页面了。", "You can close this page."),
        )
        response.delete_cookie(COOKIE, path="/g")
        return response
