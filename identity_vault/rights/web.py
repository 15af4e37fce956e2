"""The guardians' pages under ``/g``: what is collected for what, consent, copy, correction, deletion.

Rendered here, for a phone, without any script. A one-time link opens a session of 30 minutes; every form
carries its session's token besides the cookie, which other sites' pages cannot make a browser send.
"""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from identity_vault.rights import views
from identity_vault.rights.pages.data import DataPages
from identity_vault.rights.pages.entrance import EntrancePages
from identity_vault.rights.pages.home import HomePages
from identity_vault.rights.pages.sessions import Sessions
from identity_vault.rights.pages.visits import Handler, guarded, not_here
from identity_vault.vault import Vault


def make_router(vault: Vault) -> APIRouter:
    """The guardians' pages of a vault, under ``/g``."""
    sessions = Sessions(vault)
    entrance, home, data = (
        EntrancePages(vault, sessions),
        HomePages(vault, sessions),
        DataPages(vault, sessions),
    )
    router = APIRouter(prefix="/g", include_in_schema=False)

    def add(method: str, path: str, work: Handler) -> None:
        router.add_api_route(path, guarded(work, vault.config.zone), methods=[method])

    add("GET", "/static/guardian.css", _style)
    add("GET", "/open/{secret}", entrance.show_link)
    add("POST", "/open", entrance.open_link)
    add("POST", "/leave", entrance.leave)
    add("GET", "/", home.home)
    add("GET", "/consent/{purpose}", home.show_consent)
    add("POST", "/consent/{purpose}", home.change_consent)
    add("GET", "/receipt/{code}", home.show_receipt)
    add("POST", "/export", data.begin_export)
    add("GET", "/export", data.show_export)
    add("GET", "/export/view", data.view_export)
    add("GET", "/export/file", data.download_export)
    add("GET", "/correct", data.show_correct)
    add("POST", "/correct", data.correct)
    add("GET", "/erase", data.show_erase)
    add("POST", "/erase", data.erase)
    add("GET", "/{rest:path}", _nothing)
    return router


async def _style(_: Request) -> Response:
    headers = {"Cache-Control": "max-age=3600"}
    return Response(views.STYLE_SHEET.read_bytes(), media_type="text/css", headers=headers)


async def _nothing(_: Request) -> Response:
    raise not_here()
