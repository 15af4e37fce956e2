"""The guardians' pages under ``/g``: what is collected for what, consent, copy, correction, deletion.

Rendered here, for a phone, without any script. A one-time link opens a session of 30 minutes; every form
carries its session's token besides the cookie, which other sites' pages cannot make a browser send.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Final, TypeVar, get_args

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy import Connection

from identity_vault import roster
from identity_vault.rights import (
    consents,
    corrections,
    erasure,
    export,
    links,
    orders,
    receipts,
    views,
    wording,
)
from identity_vault.rights.codes import CodeError, read_code
from identity_vault.rights.limits import Rate
from identity_vault.rights.links import Visitor
from identity_vault.rights.visits import (
    Handler,
    bad_form,
    guarded,
    link_error,
    message,
    no_session,
    not_here,
    page,
    read_form,
    reader_of,
    too_often,
)
from identity_vault.vault import Vault
from telemetry.purposes import PURPOSES, Purpose

Result = TypeVar("Result")

COOKIE: Final = "guardian"
LOOKS_SHOWN: Final = 50
EXPORT_WAIT_MS: Final = 5 * 60_000
"""So long the page goes on looking for the collector's answer by itself."""
REQUESTS_PER_MINUTE: Final = 120
OPENINGS_PER_MINUTE: Final = 30
CHANGES_PER_HOUR: Final = 30
_SECRET: Final = re.compile(r"[0-9A-Z]{1,64}")
_MINUTE_MS: Final = 60_000


class GuardianPages:
    """The handlers; `router` has them under ``/g``."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._requests = Rate(REQUESTS_PER_MINUTE, _MINUTE_MS, vault.now_ms)
        self._openings = Rate(OPENINGS_PER_MINUTE, _MINUTE_MS, vault.now_ms)
        self._changes = Rate(CHANGES_PER_HOUR, 60 * _MINUTE_MS, vault.now_ms)
        self._style = views.STYLE_SHEET.read_bytes()

    def router(self) -> APIRouter:
        router = APIRouter(prefix="/g", include_in_schema=False)

        def add(method: str, path: str, work: Handler) -> None:
            router.add_api_route(path, guarded(work, self._vault.config.zone), methods=[method])

        add("GET", "/static/guardian.css", self.style)
        add("GET", "/open/{secret}", self.show_link)
        add("POST", "/open", self.open_link)
        add("POST", "/leave", self.leave)
        add("GET", "/", self.home)
        add("GET", "/consent/{purpose}", self.show_consent)
        add("POST", "/consent/{purpose}", self.change_consent)
        add("GET", "/receipt/{code}", self.show_receipt)
        add("POST", "/export", self.begin_export)
        add("GET", "/export", self.show_export)
        add("GET", "/export/view", self.view_export)
        add("GET", "/export/file", self.download_export)
        add("GET", "/correct", self.show_correct)
        add("POST", "/correct", self.correct)
        add("GET", "/erase", self.show_erase)
        add("POST", "/erase", self.erase)
        add("GET", "/{rest:path}", self.nothing)
        return router

    async def style(self, _: Request) -> Response:
        return Response(self._style, media_type="text/css", headers={"Cache-Control": "max-age=3600"})

    async def nothing(self, _: Request) -> Response:
        raise not_here()

    # The link and the session.

    async def show_link(self, request: Request) -> Response:
        """Opens nothing yet: messengers look at links before people do."""
        secret = request.path_params["secret"]
        if not _SECRET.fullmatch(secret):
            raise link_error("unknown")
        reader = self._reader(request)
        return page("open.html", reader, secret=secret, visitor=None, here=f"/g/open/{secret}")

    async def open_link(self, request: Request) -> Response:
        if not self._openings.allows(_address(request)):
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
        session = self._session(request)
        await self._post(
            request, lambda connection, _, __: links.end_session(self._vault, connection, session)
        )
        reader = self._reader(request)
        response = message(
            reader,
            200,
            reader.say("已退出", "You have left"),
            reader.say("可以关闭本页面了。", "You can close this page."),
        )
        response.delete_cookie(COOKIE, path="/g")
        return response

    # What there is.

    async def home(self, request: Request) -> Response:
        def work(connection: Connection, visitor: Visitor) -> HTMLResponse:
            reader, pupil = self._reader(request), visitor.pupil
            standings = consents.standings(self._vault, connection, pupil)
            zh, en = roster.class_names(connection).get(pupil.class_id, (pupil.class_id, pupil.class_id))
            guardians = [
                (
                    one.details.name,
                    one.details.relation,
                    one.details.phone if one.id == visitor.guardian.id else export.mask(one.details.phone),
                )
                for one in roster.guardians_of(self._vault, connection, [pupil.id])
            ]
            return self._page(
                request,
                "home.html",
                visitor,
                pupil_name=pupil.details.name,
                class_name=reader.say(zh, en),
                too_young=any(one.unheeded for one in standings),
                purposes=[views.purpose_view(one, reader) for one in standings],
                facts=views.pupil_facts(pupil.details, guardians, reader),
                looks=[
                    views.look_view(one, reader) for one in export.looks(connection, pupil.id, LOOKS_SHOWN)
                ],
                receipts=[views.receipt_view(one, reader) for one in receipts.of_pupil(connection, pupil.id)],
            )

        return await self._visit(request, work)

    async def show_receipt(self, request: Request) -> Response:
        def work(connection: Connection, visitor: Visitor) -> HTMLResponse:
            try:
                receipt = receipts.find(connection, read_code(request.path_params["code"]))
            except CodeError:
                receipt = None
            if receipt is None or receipt.pupil != visitor.pupil.id:
                raise not_here()
            return self._receipt_page(request, connection, receipt, visitor)

        return await self._visit(request, work)

    # Consent.

    async def show_consent(self, request: Request) -> Response:
        return await self._visit(
            request, lambda connection, visitor: self._consent_page(request, connection, visitor)
        )

    async def change_consent(self, request: Request) -> Response:
        purpose = _purpose(request)

        def work(connection: Connection, visitor: Visitor, form: dict[str, str]) -> Response:
            act = form.get("act")
            if act == "give" and form.get("agree") != "yes":
                reader = self._reader(request)
                problem = reader.say("请先打勾，再按“同意”。", "Please tick the box before you agree.")
                return self._consent_page(request, connection, visitor, problem)
            try:
                if act == "give":
                    code = consents.give(
                        self._vault,
                        connection,
                        visitor.actor,
                        visitor.pupil.id,
                        purpose,
                        given_by="guardian",
                        evidence="家长页面 guardian page",
                        guardian=visitor.guardian.id,
                    )
                elif act == "withdraw":
                    code = consents.withdraw(
                        self._vault, connection, visitor.actor, visitor.pupil.id, purpose
                    )
                else:
                    raise bad_form()
            except consents.ConsentError:
                raise bad_form() from None
            return RedirectResponse(f"/g/receipt/{code}", 303)

        return await self._post(request, work)

    def _consent_page(
        self, request: Request, connection: Connection, visitor: Visitor, problem: str = ""
    ) -> HTMLResponse:
        purpose = _purpose(request)
        standings = consents.standings(self._vault, connection, visitor.pupil)
        standing = next(one for one in standings if one.purpose == purpose)
        view = views.purpose_view(standing, self._reader(request))
        status = 400 if problem else 200
        again_days = wording.AGAIN_AFTER_DAYS
        return self._page(
            request, "consent.html", visitor, status, one=view, problem=problem, again_days=again_days
        )

    # The copy.

    async def begin_export(self, request: Request) -> Response:
        def work(connection: Connection, visitor: Visitor, _: dict[str, str]) -> Response:
            export.begin(self._vault, connection, visitor.actor, visitor.pupil.id)
            return RedirectResponse("/g/export", 303)

        return await self._post(request, work)

    async def show_export(self, request: Request) -> Response:
        def work(connection: Connection, visitor: Visitor) -> HTMLResponse:
            order, code, made_ms = self._export_of(connection, visitor)
            ready = orders.answer(self._vault, connection, order).records is not None
            waiting = not ready and self._vault.now_ms() - made_ms < EXPORT_WAIT_MS
            return self._page(request, "export.html", visitor, ready=ready, waiting=waiting, code=code)

        return await self._visit(request, work)

    async def view_export(self, request: Request) -> Response:
        def work(connection: Connection, visitor: Visitor) -> HTMLResponse:
            copy = self._copy(connection, visitor)
            return HTMLResponse(views.copy_page(copy, self._reader(request), standalone=False))

        return await self._visit(request, work)

    async def download_export(self, request: Request) -> Response:
        def work(connection: Connection, visitor: Visitor) -> Response:
            copy = self._copy(connection, visitor)
            readable = views.copy_page(copy, self._reader(request), standalone=True)
            files = ((export.PAGE_NAME, readable.encode()), (export.JSON_NAME, export.as_json(copy)))
            name = f'attachment; filename="{copy.receipt}.zip"'
            return Response(
                export.as_zip(files), media_type="application/zip", headers={"Content-Disposition": name}
            )

        return await self._visit(request, work)

    def _export_of(self, connection: Connection, visitor: Visitor) -> tuple[str, str, int]:
        found = orders.export_of(connection, visitor.pupil.id)
        if found is None:
            raise not_here()
        return found

    def _copy(self, connection: Connection, visitor: Visitor) -> export.Copy:
        order, code, _ = self._export_of(connection, visitor)
        return export.collect(self._vault, connection, visitor.pupil.id, order, code, visitor.guardian.id)

    # Correction.

    async def show_correct(self, request: Request) -> Response:
        return await self._visit(request, lambda _, visitor: self._correct_page(request, visitor, {}, ""))

    async def correct(self, request: Request) -> Response:
        def work(connection: Connection, visitor: Visitor, form: dict[str, str]) -> Response:
            field = next((one for one in get_args(corrections.Field) if one == form.get("field")), None)
            if field is None:
                reader = self._reader(request)
                problem = reader.say("请先选哪一项不对。", "Please choose first what is wrong.")
                return self._correct_page(request, visitor, form, problem)
            try:
                code = corrections.ask(
                    self._vault, connection, visitor.actor, visitor.guardian, field, form.get("value", "")
                )
            except corrections.CorrectionError as error:
                return self._correct_page(request, visitor, form, self._reader(request).word(error.text))
            return RedirectResponse(f"/g/receipt/{code}", 303)

        return await self._post(request, work)

    def _correct_page(
        self, request: Request, visitor: Visitor, form: dict[str, str], problem: str
    ) -> HTMLResponse:
        reader, details = self._reader(request), visitor.pupil.details
        values = {
            "name": details.name,
            "birth_date": details.birth_date,
            "phone": visitor.guardian.details.phone or reader.say("无", "none"),
            "allergens": views.allergens_text(details, reader),
        }
        return self._page(
            request,
            "correct.html",
            visitor,
            400 if problem else 200,
            fields=[(key, reader.word(wording.FIELD_NAMES[key]), value) for key, value in values.items()],
            chosen=form.get("field", ""),
            wanted=form.get("value", ""),
            problem=problem,
        )

    # Deletion.

    async def show_erase(self, request: Request) -> Response:
        step = 2 if request.query_params.get("step") == "2" else 1
        return await self._visit(
            request, lambda _, visitor: self._page(request, "erase.html", visitor, step=step, problem="")
        )

    async def erase(self, request: Request) -> Response:
        def work(connection: Connection, visitor: Visitor, form: dict[str, str]) -> Response:
            reader = self._reader(request)
            if not erasure.is_confirmation(visitor.pupil.details, form.get("number", "")):
                problem = reader.say("学号最后 4 位不对，什么都没有删除。", "These are not the last 4 signs; nothing was deleted.")  # fmt: skip
                return self._page(request, "erase.html", visitor, 400, step=2, problem=problem)
            code = erasure.erase(self._vault, connection, visitor.actor, visitor.pupil.id)
            receipt = receipts.find(connection, code)
            assert receipt is not None
            return self._receipt_page(request, connection, receipt, None)

        response = await self._post(request, work)
        if response.status_code == 200:
            await asyncio.to_thread(self._vault.database.forget_deleted)
            response.delete_cookie(COOKIE, path="/g")
        return response

    # What all of them need.

    def _receipt_page(
        self, request: Request, connection: Connection, receipt: receipts.Receipt, visitor: Visitor | None
    ) -> HTMLResponse:
        reader = self._reader(request)
        open_ones = {one.receipt: one for one in consents.pending(connection)}
        waiting = list(open_ones[receipt.code].gateways) if receipt.code in open_ones else []
        values = {
            "heading": views.receipt_title(receipt, reader),
            "code": receipt.code,
            "steps": views.receipt_steps(receipt, waiting, reader),
            "working": visitor is not None and receipt.code in open_ones,
        }
        if visitor is None:
            return page("receipt.html", reader, 200, visitor=None, here="/g/", **values)
        return self._page(request, "receipt.html", visitor, 200, **values)

    def _page(
        self, request: Request, template: str, visitor: Visitor, status: int = 200, **values: object
    ) -> HTMLResponse:
        reader = self._reader(request)
        return page(
            template,
            reader,
            status,
            visitor=visitor,
            here=request.url.path,
            until=reader.time(visitor.until_ms)[-5:],
            token=links.form_token(self._vault, self._session(request)),
            **values,
        )

    async def _visit(self, request: Request, work: Callable[[Connection, Visitor], Result]) -> Result:
        """`work` for whoever's session it is. Raises PageError where there is none."""
        if not self._requests.allows(_address(request)):
            raise too_often()
        session = self._session(request)

        def visit(connection: Connection) -> Result:
            visitor = links.find_visitor(self._vault, connection, session)
            if visitor is None:
                raise no_session()
            return work(connection, visitor)

        return await self._vault.run(visit)

    async def _post(
        self, request: Request, work: Callable[[Connection, Visitor, dict[str, str]], Result]
    ) -> Result:
        """As `_visit`, for a form of this session."""
        form, session = await read_form(request), self._session(request)

        def change(connection: Connection, visitor: Visitor) -> Result:
            if not links.is_form_token(self._vault, session, form.get("token", "")):
                raise bad_form()
            if not self._changes.allows(visitor.guardian.id):
                raise too_often()
            return work(connection, visitor, form)

        return await self._visit(request, change)

    def _session(self, request: Request) -> str:
        return request.cookies.get(COOKIE, "")

    def _reader(self, request: Request) -> views.Reader:
        return reader_of(request, self._vault.config.zone)


def make_router(vault: Vault) -> APIRouter:
    """The guardians' pages of a vault, under ``/g``."""
    return GuardianPages(vault).router()


def _purpose(request: Request) -> Purpose:
    """The purpose in the path; one that needs consent. Raises PageError."""
    for purpose, info in PURPOSES.items():
        if purpose == request.path_params["purpose"] and info.needs_consent:
            return purpose
    raise not_here()


def _address(request: Request) -> str:
    return request.client.host if request.client else ""
