"""The page and its live parts, rendered here; htmx fetches a part again when its signal comes."""

from __future__ import annotations

from typing import Annotated, Final, NamedTuple

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from markupsafe import Markup

from collector.accounts.principal import Principal
from collector.text import Language
from collector.vault.settings import ROLE_BREAK_GLASS
from collector.web import tiles, views
from collector.web.access import allow
from collector.web.api.alerts import Acknowledger, AlertId, Reader, acknowledge, read_alerts
from collector.web.api.parameters import SeriesFilter
from collector.web.api.series import find_series
from collector.web.fleet_views import shared_rows
from collector.web.parts import Parts, WebParts
from collector.web.reasons import counts_text
from collector.web.rendering import Lang, answer, fill, language_of, remember_language, render
from collector.web.sharing import Shared
from collector.web.sight import SEE_ALERTS, sight_of
from collector.web.signing.visitor import visitor_of
from telemetry.names import BREAK_GLASS_MINUTES_MAX, REASON_CHARS_MAX, REASON_CHARS_MIN
from telemetry.purposes import PURPOSES

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

ROOMS_PER_PAGE: Final = 30
ROOMS_MAX: Final = 600
SERIES_SHOWN_MAX: Final = 20_000
OPEN_ALERTS_READ_MAX: Final = 500
OPEN_ALERTS_SHOWN: Final = 50
ACKNOWLEDGED_ALERTS_SHOWN: Final = 20
GATEWAYS_SHOWN: Final = 6
BREAK_GLASS_MINUTES: Final = (15, 30, BREAK_GLASS_MINUTES_MAX)
"""The choices; the first is taken unless somebody chooses."""

_Filter = Annotated[str, Query(alias="filter", max_length=100)]
_Rooms = Annotated[int, Query(ge=1, le=ROOMS_MAX)]


@router.get("/")
async def whole_page(
    request: Request,
    parts: Parts,
    asker: Annotated[Principal, allow("series.read", "gateways.read", *SEE_ALERTS)],
    lang: Lang = None,
    words: _Filter = "",
    rooms: _Rooms = ROOMS_PER_PAGE,
) -> Response:
    """The sections that the asker may see."""
    language = language_of(request, lang)
    asks_names = parts.names is not None and parts.names.may_ask(asker)
    response = render(
        "page.html",
        language,
        title=parts.title,
        who=await visitor_of(request, language),
        path="/",
        vault_url=parts.names.vault.url if parts.names and asks_names else "",
        break_glass=_break_glass(parts, asker, language) if asks_names else None,
        time_zone=parts.time_zone.key,
        rooms_max=rooms,
        rooms=await _rooms(request, parts, asker, language, words, rooms)
        if asker.may("series.read")
        else None,
        filter=words,
        watches=asker.may("operation.read"),
        **await _alerts(parts, asker, language),
        **await _gateways(request, parts, asker, language),
    )
    remember_language(response, lang)
    return response


@router.get("/parts/alerts")
async def alerts_part(request: Request, parts: Parts, asker: Reader, lang: Lang = None) -> Response:
    language = language_of(request, lang)
    return render("alerts.html", language, **await _alerts(parts, asker, language))


@router.get("/parts/rooms")
async def rooms_part(
    request: Request,
    parts: Parts,
    asker: Annotated[Principal, allow("series.read")],
    lang: Lang = None,
    words: _Filter = "",
    rooms: _Rooms = ROOMS_PER_PAGE,
) -> Response:
    language = language_of(request, lang)
    return answer((await _rooms(request, parts, asker, language, words, rooms)).html)


@router.get("/parts/gateways")
async def gateways_part(
    request: Request,
    parts: Parts,
    asker: Annotated[Principal, allow("gateways.read")],
    lang: Lang = None,
) -> Response:
    language = language_of(request, lang)
    return render("gateways.html", language, **await _gateways(request, parts, asker, language))


@router.post("/alerts/{alert_id}/acknowledge")
async def acknowledge_part(
    request: Request, parts: Parts, asker: Acknowledger, alert_id: AlertId, lang: Lang = None
) -> Response:
    """The button: the alerts again for htmx, the page again for a browser without scripts."""
    await acknowledge(parts, asker, alert_id, asker.name)
    if "hx-request" not in request.headers:
        return RedirectResponse("/", 303)
    language = language_of(request, lang)
    return render("alerts.html", language, **await _alerts(parts, asker, language))


class RoomsPart(NamedTuple):
    """The rooms, rendered; `place_count` is that of the school, whatever the filter."""

    html: Markup
    place_count: int


def share_rooms(parts: WebParts) -> Shared[RoomsPart]:
    """Renderings of the rooms, the same for everybody who reads one language and sees the same schools."""
    return Shared(lambda: parts.hub.published["series"])


def _break_glass(parts: WebParts, asker: Principal, language: Language) -> dict[str, object] | None:
    """What the page says when it asks for names in an emergency; None where the role may not."""
    opened = ROLE_BREAK_GLASS[parts.names.asked_for(asker)[0]] if parts.names else ()
    if not opened:
        return None
    return {
        "purposes": {one: PURPOSES[one].zh if language == "zh" else PURPOSES[one].en for one in opened},
        "chars_min": REASON_CHARS_MIN,
        "chars_max": REASON_CHARS_MAX,
        "minutes": BREAK_GLASS_MINUTES,
    }


async def _alerts(parts: WebParts, asker: Principal, language: Language) -> dict[str, object]:
    """By when it happened: what a gateway sends late does not hide what is new."""
    if not any(map(asker.may, SEE_ALERTS)):
        return {
            "sees_alerts": False,
            "open_alerts": [],
            "open_count": 0,
            "seen_alerts": [],
            "acknowledges": False,
        }
    opened = await read_alerts(parts, asker, "open", None, OPEN_ALERTS_READ_MAX)
    opened.sort(key=lambda one: (one.at_ms, one.id), reverse=True)
    seen = await read_alerts(parts, asker, "acknowledged", None, ACKNOWLEDGED_ALERTS_SHOWN)
    return {
        "sees_alerts": True,
        "acknowledges": asker.may("alerts.acknowledge"),
        "open_alerts": [views.alert(one, parts, language) for one in opened[:OPEN_ALERTS_SHOWN]],
        "open_count": await parts.records.count_open_alerts(sight_of(asker, parts.kinds)),
        "seen_alerts": [views.alert(one, parts, language) for one in seen],
    }


async def _rooms(
    request: Request, parts: WebParts, asker: Principal, language: Language, filter_text: str, rooms_max: int
) -> RoomsPart:
    shared: Shared[RoomsPart] = request.app.state.rooms
    key = (asker.schools, language, filter_text, rooms_max)
    return await shared.get(key, lambda: _make_rooms(parts, *key))


async def _make_rooms(
    parts: WebParts, schools: frozenset[str] | None, language: Language, filter_text: str, rooms_max: int
) -> RoomsPart:
    found, more = await find_series(parts.store, SeriesFilter(), 0, SERIES_SHOWN_MAX, schools)
    shown, room_count = tiles.buildings(found, parts, language, filter_text.lower().split(), rooms_max)
    place_count = len({one.place for one in found})
    html = fill(
        "rooms.html",
        language,
        buildings=shown,
        rooms_left=max(0, room_count - rooms_max),
        rooms_more=min(ROOMS_MAX, rooms_max * 2),
        filter=filter_text,
        series_count=len(found),
        series_left_out=more,
        place_count=place_count,
        chart_series=tiles.chart_series(found, parts),
        now_ms=parts.now_ms(),
        has_gateways=bool(found) or any(await parts.records.gateways()),
    )
    return RoomsPart(html, place_count)


async def _gateways(
    request: Request, parts: WebParts, asker: Principal, language: Language
) -> dict[str, object]:
    """Those who need somebody before the others; the fleet page has all."""
    if not asker.may("gateways.read"):
        return {"sees_gateways": False, "gateways": [], "gateway_count": 0, "refused": "", "class_lists": ""}
    rows = await shared_rows(request, parts, asker, language)
    return {
        "sees_gateways": True,
        "gateways": rows[:GATEWAYS_SHOWN],
        "gateway_count": len(rows),
        "gateways_in_trouble": sum(bool(row.troubles) for row in rows),
        "refused": counts_text(dict(parts.overview.refusals), language),
        "class_lists": views.class_lists(parts, language),
    }
