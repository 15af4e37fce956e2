"""What there is about a child, consent to each purpose, and receipts."""

from __future__ import annotations

from typing import Final

from fastapi import Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy import Connection

from identity_vault import roster
from identity_vault.rights import consents, export, receipts, views, wording
from identity_vault.rights.codes import CodeError, read_code
from identity_vault.rights.links import Visitor
from identity_vault.rights.pages.sessions import Sessions
from identity_vault.rights.pages.visits import bad_form, not_here, page
from identity_vault.vault import Vault
from telemetry.purposes import PURPOSES, Purpose

LOOKS_SHOWN: Final = 50


class HomePages:
    """The handlers of the first page, of consent and of receipts."""

    def __init__(self, vault: Vault, sessions: Sessions) -> None:
        self._vault, self._sessions = vault, sessions

    async def home(self, request: Request) -> Response:
        def work(connection: Connection, visitor: Visitor) -> HTMLResponse:
            reader, pupil = self._sessions.reader(request), visitor.pupil
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
            return self._sessions.page(
                request,
                "home.html",
                visitor,
                pupil_name=pupil.details.name,
                class_name=reader.say(zh, en),
                has_left=pupil.state != "active",
                too_young=any(one.unheeded for one in standings),
                purposes=[views.purpose_view(one, reader) for one in standings],
                facts=views.pupil_facts(pupil.details, guardians, reader),
                looks=[
                    views.look_view(one, reader) for one in export.looks(connection, pupil.id, LOOKS_SHOWN)
                ],
                receipts=[views.receipt_view(one, reader) for one in receipts.of_pupil(connection, pupil.id)],
            )

        return await self._sessions.visit(request, work)

    async def show_receipt(self, request: Request) -> Response:
        def work(connection: Connection, visitor: Visitor) -> HTMLResponse:
            try:
                receipt = receipts.find(connection, read_code(request.path_params["code"]))
            except CodeError:
                receipt = None
            if receipt is None or receipt.pupil != visitor.pupil.id:
                raise not_here()
            return receipt_page(self._sessions, request, connection, receipt, visitor)

        return await self._sessions.visit(request, work)

    async def show_consent(self, request: Request) -> Response:
        return await self._sessions.visit(
            request, lambda connection, visitor: self._consent_page(request, connection, visitor)
        )

    async def change_consent(self, request: Request) -> Response:
        purpose = _purpose(request)

        def work(connection: Connection, visitor: Visitor, form: dict[str, str]) -> Response:
            act = form.get("act")
            if act == "give" and form.get("agree") != "yes":
                reader = self._sessions.reader(request)
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

        return await self._sessions.post(request, work)

    def _consent_page(
        self, request: Request, connection: Connection, visitor: Visitor, problem: str = ""
    ) -> HTMLResponse:
        purpose = _purpose(request)
        standings = consents.standings(self._vault, connection, visitor.pupil)
        standing = next(one for one in standings if one.purpose == purpose)
        view = views.purpose_view(standing, self._sessions.reader(request))
        status = 400 if problem else 200
        again_days = wording.AGAIN_AFTER_DAYS
        return self._sessions.page(
            request, "consent.html", visitor, status, one=view, problem=problem, again_days=again_days
        )


def receipt_page(
    sessions: Sessions,
    request: Request,
    connection: Connection,
    receipt: receipts.Receipt,
    visitor: Visitor | None,
) -> HTMLResponse:
    """What has become of a wish; visitor: None for who has no session any more."""
    reader = sessions.reader(request)
    pending = consents.pending(connection, receipt.code)
    waiting = [gateway for one in pending for gateway in one.gateways]
    values = {
        "heading": views.receipt_title(receipt, reader),
        "code": receipt.code,
        "steps": views.receipt_steps(receipt, waiting, reader),
        "working": visitor is not None and bool(pending),
    }
    if visitor is None:
        return page("receipt.html", reader, 200, visitor=None, here="/g/", **values)
    return sessions.page(request, "receipt.html", visitor, 200, **values)


def _purpose(request: Request) -> Purpose:
    """The purpose in the path; one that needs consent. Raises PageError."""
    for purpose, info in PURPOSES.items():
        if purpose == request.path_params["purpose"] and info.needs_consent:
            return purpose
    raise not_here()
