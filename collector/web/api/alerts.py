"""GET /api/v1/alerts and POST /api/v1/alerts/{id}/acknowledge."""

from __future__ import annotations

from typing import Annotated, Any, Final
from urllib.parse import parse_qs

import msgspec
from fastapi import APIRouter, Path, Query, Request
from pydantic import ValidationError

from collector.accounts.principal import Principal
from collector.alerts.numbers import NUMBER_MAX
from collector.records import Alert
from collector.records.alerts import AlertState
from collector.text import Text
from collector.times import iso
from collector.web.access import allow
from collector.web.api.models import Acknowledge, AlertItem, AlertPage, Words
from collector.web.api.parameters import NO_CURSOR, AlertParameters
from collector.web.parts import Parts, WebParts
from collector.web.problem_words import place_of, wrong_words
from collector.web.problems import ProblemError, Wrong, describe_guarded, parameter_error
from collector.web.sight import SEE_ALERTS, as_seen, sight_of

router = APIRouter(tags=["alerts"])

Reader = Annotated[Principal, allow(*SEE_ALERTS)]
Acknowledger = Annotated[Principal, allow("alerts.acknowledge")]
AlertId = Annotated[
    int,
    Path(ge=1, le=NUMBER_MAX, description="Id of the alert.", examples=[2_935_017_482_113]),
]
_FORM: Final = "application/x-www-form-urlencoded"
_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": False,
        "content": {
            media_type: {"schema": {"$ref": "#/components/schemas/Acknowledge"}}
            for media_type in ("application/json", _FORM)
        },
    }
}


@router.get(
    "/alerts",
    response_model=AlertPage,
    responses=describe_guarded(422, 503),
    summary="Alerts, newest first",
)
async def list_alerts(parts: Parts, asker: Reader, query: Annotated[AlertParameters, Query()]) -> AlertPage:
    """Personal data: a pseudonym and a class, never a name. Those that the asker may see; a class teacher
    those of their classes, without what was measured.
    """
    found = await read_alerts(parts, asker, query.state, _before(parts, query.cursor), query.limit + 1)
    page = found[: query.limit]
    return AlertPage(
        items=[alert_item(alert, parts) for alert in page],
        next_cursor=str(parts.alert_numbers.outside(page[-1].id)) if len(found) > query.limit else None,
    )


@router.post(
    "/alerts/{alert_id}/acknowledge",
    response_model=AlertItem,
    responses=describe_guarded(400, 404, 413, 422, 503),
    summary="Acknowledge an alert",
    openapi_extra=_BODY,
)
async def acknowledge_alert(
    parts: Parts, asker: Acknowledger, request: Request, alert_id: AlertId
) -> AlertItem:
    """Somebody has seen it. The first acknowledgement counts; repeating it changes nothing. With accounts
    it stands under the asker's, whatever `by` says.
    """
    by = await _read_by(request)
    alert = await acknowledge(parts, asker, alert_id, by if asker.way == "open" else asker.name)
    return alert_item(alert, parts)


async def read_alerts(
    parts: WebParts, asker: Principal, state: AlertState | None, before_id: int | None, limit: int
) -> list[Alert]:
    """Newest first, as the asker may see them; that they looked is noted."""
    await _note_read(parts, asker)
    found = await parts.records.find_alerts(state, before_id, limit, sight_of(asker, parts.kinds))
    return [as_seen(one, asker, parts.kinds) for one in found]


async def acknowledge(parts: WebParts, asker: Principal, alert_id: int, by: str) -> Alert:
    """Tells the open pages. Whoever acknowledges is shown the alert, so that is noted too. alert_id: as it is
    outside. Raises ProblemError for an unknown alert and for one that the asker does not see.
    """
    await _note_read(parts, asker)
    sight = sight_of(asker, parts.kinds)
    alert = await parts.records.acknowledge_alert(
        parts.alert_numbers.inside(alert_id), by, parts.now_ms(), sight
    )
    if alert is None:
        raise ProblemError(
            404, Text("没有这条告警，或者不归您查看", "there is no such alert, or it is not yours to see")
        )
    parts.hub.publish("alerts")
    return as_seen(alert, asker, parts.kinds)


async def _note_read(parts: WebParts, asker: Principal) -> None:
    seen = next((one for one in SEE_ALERTS if asker.may(one)), None)
    if parts.accounts is not None and seen in {"alerts.health", "alerts.class"}:
        await parts.accounts.trail.note_read(asker, seen)


async def _read_by(request: Request) -> str:
    body = await request.body()
    try:
        if not body:
            sent: object = {}
        elif request.headers.get("content-type", "").partition(";")[0].strip().lower() == _FORM:
            sent = {
                name: values[-1] for name, values in parse_qs(body.decode(), True, max_num_fields=8).items()
            }
        else:
            sent = msgspec.json.decode(body)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise ProblemError(
            400,
            Text("提交的内容不是 JSON，也不是表单", "the body is neither JSON nor a form"),
            remedy=Text('请提交 {"by": "…"}、by=…，或不带内容。', 'Send {"by": "…"}, by=…, or nothing.'),
        ) from error
    try:
        return Acknowledge.model_validate(sent).by
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)[0]
        name = str(found["loc"][0]) if found["loc"] else "body"
        wrong = Wrong(name, "body", wrong_words(found))
        raise ProblemError(422, place_of("body", name, wrong.message), errors=(wrong,)) from error


def _before(parts: WebParts, cursor: str | None) -> int | None:
    if cursor is None:
        return None
    if int(cursor) > NUMBER_MAX:
        raise parameter_error("cursor", NO_CURSOR)
    return parts.alert_numbers.inside(int(cursor))


def alert_item(alert: Alert, parts: WebParts) -> AlertItem:
    acknowledged = None if alert.acknowledged_ms is None else iso(alert.acknowledged_ms)
    return AlertItem(
        id=parts.alert_numbers.outside(alert.id),
        kind=alert.kind,
        state=alert.state,
        school=alert.school,
        gateway=alert.gateway,
        device=alert.device,
        place=alert.place,
        place_label=Words.of(parts.labels.place(alert.place)),
        time=iso(alert.at_ms),
        time_ms=alert.at_ms,
        opened=iso(alert.opened_ms),
        opened_ms=alert.opened_ms,
        pseudonym=alert.pseudonym,
        class_id=alert.class_id,
        class_label=Words.of(parts.labels.class_(alert.school, alert.class_id)),
        site=alert.site,
        value=alert.value,
        unit=alert.unit,
        limit=alert.limit,
        doubtful=alert.doubtful,
        acknowledged=acknowledged,
        acknowledged_ms=alert.acknowledged_ms,
        acknowledged_by=alert.acknowledged_by,
    )
