"""GET /api/v1/events."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Request, Response

from collector.accounts.permissions import Permission
from collector.accounts.principal import Principal
from collector.hub import Topic
from collector.records import RecordsUnavailableError
from collector.records.alerts import open_mark
from collector.text import Text
from collector.web.access import allow, asker_now
from collector.web.events import LISTENERS_MAX, EventStreams, ListenersFullError
from collector.web.parts import Parts
from collector.web.problems import ProblemError, describe_guarded
from collector.web.sight import SEE_ALERTS, sight_of

router = APIRouter(tags=["events"])

TOPICS: Final[dict[Topic, tuple[Permission, ...]]] = {
    "alerts": SEE_ALERTS,
    "gateways": ("gateways.read",),
    "series": ("series.read",),
}
LISTEN: Final[tuple[Permission, ...]] = tuple(one for some in TOPICS.values() for one in some)


@router.get(
    "/events",
    summary="Signals that something has changed",
    response_class=Response,
    responses={
        200: {
            "description": "Server-sent events named alerts, series and gateways; their data says nothing.",
            "content": {
                "text/event-stream": {
                    "schema": {"type": "string"},
                    "example": "event: alerts\ndata: changed\n\n",
                }
            },
        },
        **describe_guarded(503),
    },
)
async def events(request: Request, parts: Parts, asker: Annotated[Principal, allow(*LISTEN)]) -> Response:
    """An endless stream. An event says which list to fetch again, of those that the asker may read; on connecting, all of them are told.
    Of alerts only those count that the asker sees.

    Comment lines keep the connection open. It ends with the session that it was begun in. Beyond 100 listeners the answer is 503.
    """
    streams = request.app.state.streams
    assert isinstance(streams, EventStreams)

    principal: Principal | None = asker

    async def may_listen() -> bool:
        nonlocal principal
        try:
            principal = await asker_now(request)
        except RecordsUnavailableError:
            return True  # asked again soon; what changed meanwhile is told all the same
        return principal is not None and any(map(principal.may, LISTEN))

    async def open_alerts() -> object:
        sight = sight_of(principal or asker, parts.kinds)
        try:
            return await parts.records.look(lambda connection: open_mark(connection, sight))
        except RecordsUnavailableError:
            return None  # a change; the page is told by its own question what is the matter

    topics = [topic for topic, permissions in TOPICS.items() if any(map(asker.may, permissions))]
    try:
        return streams.response(topics, may_listen, {"alerts": open_alerts})
    except ListenersFullError:
        raise ProblemError(
            503,
            Text(f"已有 {LISTENERS_MAX} 个页面在接收更新", f"{LISTENERS_MAX} pages listen already"),
            kind="busy",
            remedy=Text("请稍后再试，或每 30 秒查询一次。", "Ask again later, or poll every 30 s."),
        ) from None
