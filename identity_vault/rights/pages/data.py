"""A child's data in a guardian's hands: the copy, corrections, deletion."""

from __future__ import annotations

import asyncio
from typing import Final, get_args

from fastapi import Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy import Connection

from identity_vault.rights import corrections, erasure, export, orders, receipts, views, wording
from identity_vault.rights.links import Visitor
from identity_vault.rights.pages.home import receipt_page
from identity_vault.rights.pages.sessions import COOKIE, Sessions
from identity_vault.rights.pages.visits import not_here
from identity_vault.vault import Vault

EXPORT_WAIT_MS: Final = 5 * 60_000
"""So long the page goes on looking for the collector's answer by itself."""


class DataPages:
    """The handlers of export, correction and deletion."""

    def __init__(self, vault: Vault, sessions: Sessions) -> None:
        self._vault, self._sessions = vault, sessions

    async def begin_export(self, request: Request) -> Response:
        def work(connection: Connection, visitor: Visitor, _: dict[str, str]) -> Response:
            export.begin(self._vault, connection, visitor.actor, visitor.pupil.id)
            return RedirectResponse("/g/export", 303)

        return await self._sessions.post(request, work)

    async def show_export(self, request: Request) -> Response:
        def work(connection: Connection, visitor: Visitor) -> HTMLResponse:
            order, code, made_ms = self._export_of(connection, visitor)
            ready = orders.answer(self._vault, connection, order).records is not None
            waiting = not ready and self._vault.now_ms() - made_ms < EXPORT_WAIT_MS
            return self._sessions.page(
                request, "export.html", visitor, ready=ready, waiting=waiting, code=code
            )

        return await self._sessions.visit(request, work)

    async def view_export(self, request: Request) -> Response:
        def work(connection: Connection, visitor: Visitor) -> HTMLResponse:
            copy = self._copy(connection, visitor)
            return HTMLResponse(views.copy_page(copy, self._sessions.reader(request), standalone=False))

        return await self._sessions.visit(request, work)

    async def download_export(self, request: Request) -> Response:
        def work(connection: Connection, visitor: Visitor) -> Response:
            copy = self._copy(connection, visitor)
            readable = views.copy_page(copy, self._sessions.reader(request), standalone=True)
            files = ((export.PAGE_NAME, readable.encode()), (export.JSON_NAME, export.as_json(copy)))
            name = f'attachment; filename="{copy.receipt}.zip"'
            return Response(
                export.as_zip(files), media_type="application/zip", headers={"Content-Disposition": name}
            )

        return await self._sessions.visit(request, work)

    def _export_of(self, connection: Connection, visitor: Visitor) -> tuple[str, str, int]:
        found = orders.export_of(connection, visitor.pupil.id)
        if found is None:
            raise not_here()
        return found

    def _copy(self, connection: Connection, visitor: Visitor) -> export.Copy:
        order, code, _ = self._export_of(connection, visitor)
        return export.collect(self._vault, connection, visitor.pupil.id, order, code, visitor.guardian.id)

    async def show_correct(self, request: Request) -> Response:
        return await self._sessions.visit(
            request, lambda _, visitor: self._correct_page(request, visitor, {}, "")
        )

    async def correct(self, request: Request) -> Response:
        def work(connection: Connection, visitor: Visitor, form: dict[str, str]) -> Response:
            field = next((one for one in get_args(corrections.Field) if one == form.get("field")), None)
            if field is None:
                reader = self._sessions.reader(request)
                problem = reader.say("请先选哪一项不对。", "Please choose first what is wrong.")
                return self._correct_page(request, visitor, form, problem)
            try:
                code = corrections.ask(
                    self._vault, connection, visitor.actor, visitor.guardian, field, form.get("value", "")
                )
            except corrections.CorrectionError as error:
                return self._correct_page(
                    request, visitor, form, self._sessions.reader(request).word(error.text)
                )
            return RedirectResponse(f"/g/receipt/{code}", 303)

        return await self._sessions.post(request, work)

    def _correct_page(
        self, request: Request, visitor: Visitor, form: dict[str, str], problem: str
    ) -> HTMLResponse:
        reader, details = self._sessions.reader(request), visitor.pupil.details
        values = {
            "name": details.name,
            "birth_date": details.birth_date,
            "phone": visitor.guardian.details.phone or reader.say("无", "none"),
            "allergens": views.allergens_text(details, reader),
        }
        return self._sessions.page(
            request,
            "correct.html",
            visitor,
            400 if problem else 200,
            fields=[(key, reader.word(wording.FIELD_NAMES[key]), value) for key, value in values.items()],
            chosen=form.get("field", ""),
            wanted=form.get("value", ""),
            problem=problem,
        )

    async def show_erase(self, request: Request) -> Response:
        step = 2 if request.query_params.get("step") == "2" else 1
        return await self._sessions.visit(
            request,
            lambda _, visitor: self._sessions.page(request, "erase.html", visitor, step=step, problem=""),
        )

    async def erase(self, request: Request) -> Response:
        def work(connection: Connection, visitor: Visitor, form: dict[str, str]) -> Response:
            reader = self._sessions.reader(request)
            if not erasure.is_confirmation(visitor.pupil.details, form.get("number", "")):
                problem = reader.say("学号最后 4 位不对，什么都没有删除。", "These are not the last 4 characters; nothing was deleted.")  # fmt: skip
                return self._sessions.page(request, "erase.html", visitor, 400, step=2, problem=problem)
            code = erasure.erase(self._vault, connection, visitor.actor, visitor.pupil.id)
            receipt = receipts.find(connection, code)
            assert receipt is not None
            return receipt_page(self._sessions, request, connection, receipt, None)

        response = await self._sessions.post(request, work)
        if response.status_code == 200:
            await asyncio.to_thread(self._vault.database.forget_deleted)
            response.delete_cookie(COOKIE, path="/g")
        return response
