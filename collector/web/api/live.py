"""GET /api/v1/events."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from collector.web.access import allow
from collector.web.events import LISTENERS_MAX, EventStreams, ListenersFullError
from collector.web.problems import ProblemError, describe_guarded
from collector.web.sight import SEE_ALERTS

router = APIRouter(tags=["events"])


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
    dependencies=[allow("series.read", "gateways.read", *SEE_ALERTS)],
)
async def events(request: Request) -> Response:
    """An endless stream. An event says which list to fetch again; on connecting, all three are told.

    Comment lines keep the connection open. Beyond 100 listeners the answer is 503.
    """
    streams = request.app.state.streams
    assert isinstance(streams, EventStreams)
    try:
        return streams.response()
    except ListenersFullError:
        raise ProblemError(
            503, f"{LISTENERS_MAX} pages listen already", remedy="Ask again later, or poll every 30 s."
        ) from None
