"""The web application of a collector: the API, the page, and what watches the collector."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import structlog
from fastapi import APIRouter, FastAPI, Response
from fastapi.openapi.utils import get_openapi
from fastapi.staticfiles import StaticFiles

from collector.accounts.rates import Rates
from collector.web import (
    fleet_gateway,
    fleet_invite,
    fleet_many,
    fleet_page,
    observe,
    page,
    problems,
    signing,
)
from collector.web.access import declared, undeclared
from collector.web.api import alerts, configurations, enrolment, exports, gateways, live, names, series
from collector.web.api.export_streams import Turns
from collector.web.api.models import Acknowledge
from collector.web.boundary import LOOPBACK_NAMES, Boundary
from collector.web.cookies import OVER_TLS
from collector.web.events import EventStreams
from collector.web.fleet_views import share_fleet
from collector.web.identify import identify_with
from collector.web.parts import WebParts
from collector.web.server import WebServer

__all__ = ["WebParts", "WebServer", "create_app"]

STATIC_FOLDER: Final = Path(__file__).parent / "static"
VENDOR_FILES: Final = ("htmx.min.js", "hx-sse.min.js", "uPlot.iife.min.js", "uPlot.min.css")
_FOR_ALL: Final = ("/api/v1/openapi.json", "/static")
"""What is no route of ours: the description of the API and files, which tell nothing of anybody."""
_TAGS: Final = [
    {"name": "series", "description": "Readings about rooms and machines."},
    {"name": "gateways", "description": "The gateways of the school."},
    {"name": "configurations", "description": "What gateways should run, and what they run."},
    {"name": "alerts", "description": "What somebody has to look at. Personal data."},
    {"name": "names", "description": "How a browser gets names from the vault; they do not come here."},
    {"name": "exports", "description": "Files and documents for other programs."},
    {"name": "events", "description": "Signals that something has changed."},
    {"name": "operation", "description": "For machines that watch the collector."},
]


class _Assets(StaticFiles):
    """Files a browser may keep, if it asks whether they have changed."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "no-cache"
        return response


_log = structlog.get_logger(__name__)


def create_app(parts: WebParts) -> FastAPI:
    """The application. Without accounts whoever reaches it may everything: serve it on loopback then."""
    missing = [name for name in VENDOR_FILES if not (STATIC_FOLDER / "vendor" / name).is_file()]
    if missing:
        _log.error(
            "web.files_missing",
            files=missing,
            remedy="run: npm ci --ignore-scripts && python tools/frontend.py",
        )
    app = FastAPI(
        title="Campus Pulse",
        version="1",
        summary="Telemetry of a school",
        description=__doc__,
        openapi_url="/api/v1/openapi.json",
        # Both bundled viewers load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
        openapi_tags=_TAGS,
    )
    app.state.parts = parts
    app.state.identify = identify_with(parts.accounts) if parts.accounts else None
    app.state.rates = parts.accounts.rates if parts.accounts else Rates()
    app.state.exports = Turns()
    app.state.rooms = page.share_rooms(parts)
    app.state.fleet = share_fleet(parts)
    app.state.streams = EventStreams(parts.hub, parts.closing)
    api = APIRouter(prefix="/api/v1")
    for router in (
        series.router, gateways.router, enrolment.router, configurations.router, alerts.router, names.router,
        exports.router, live.router,
    ):  # fmt: skip
        api.include_router(router)
    for router in (
        api, observe.router, page.router, fleet_page.router, fleet_invite.router, fleet_many.router,
        fleet_gateway.router,
    ):  # fmt: skip
        app.include_router(router)
    app.mount("/static", _Assets(directory=STATIC_FOLDER), name="static")
    problems.install(app, signing.for_people)
    signing.install(app)
    unguarded = undeclared(app, _FOR_ALL)
    if unguarded:
        raise RuntimeError(f"routes that name neither a permission nor PUBLIC: {', '.join(unguarded)}")
    app.add_middleware(
        Boundary,
        host_names=None if parts.proxies else LOOPBACK_NAMES | parts.host_names,
        proxies=parts.proxies,
        title=parts.title,
        vault_origin=parts.names.vault.url if parts.names else "",
    )
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]  # the documented way to extend it
    return app


def _openapi(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            summary=app.summary,
            description=app.description,
            routes=app.routes,
            tags=app.openapi_tags,
        )
        # Named by the routes, but no route answers with or takes them through FastAPI itself.
        schemas = document["components"]["schemas"]
        for model in (problems.Problem, Acknowledge):
            schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas.update(schema.pop("$defs", {}))
            schemas[model.__name__] = schema
        if app.state.identify is not None:
            _describe_security(app, document)
        app.openapi_schema = document
    return app.openapi_schema


def _describe_security(app: FastAPI, document: dict[str, Any]) -> None:
    document["components"]["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer", "description": "Made on the page of an account."},
        "session": {"type": "apiKey", "in": "cookie", "name": OVER_TLS},
    }
    document["security"] = [{"token": []}, {"session": []}]
    for route in declared(app):
        operations = document["paths"].get(route.path, {})
        for method in route.methods:
            operation = operations.get(method.lower())
            if operation is not None and route.permissions == ():
                operation["security"] = []
