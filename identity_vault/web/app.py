"""The vault's web application. Nothing in it describes itself: no OpenAPI, no viewer."""

from __future__ import annotations

import asyncio
from typing import Final
from urllib.parse import urlsplit

import msgspec
import structlog
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException

from identity_vault.database.engine import VaultUnavailableError
from identity_vault.exchange.refusals import ExchangeRefusedError
from identity_vault.names import NamesRefusedError
from identity_vault.rights.web import make_router
from identity_vault.roster import map_version
from identity_vault.vault import Vault
from identity_vault.web.boundary import Boundary
from identity_vault.web.metrics import WebMetrics
from identity_vault.web.parts import Parts, WebParts
from identity_vault.web.problems import problem
from telemetry import exchange
from telemetry.names import BREAK_GLASS_PATH, RESOLVE_PATH

RETRY_AFTER_S: Final = 5
_JSON: Final = "application/json"
_BEARER: Final = "bearer "

_log = structlog.get_logger(__name__)
router = APIRouter()


def create_app(parts: WebParts) -> FastAPI:
    """The application: exchange, names, what watches the vault, and the guardians' pages."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.parts = parts
    app.include_router(router)
    app.include_router(make_router(parts.vault))
    for kind, answer in (
        (NamesRefusedError, _on_names_refused),
        (ExchangeRefusedError, _on_exchange_refused),
        (VaultUnavailableError, _on_unavailable),
        (HTTPException, _on_http_error),
        (RequestValidationError, _on_invalid),
    ):
        app.add_exception_handler(kind, answer)
    web = parts.vault.config.web
    public = urlsplit(web.public_url).hostname if web.public_url else None
    app.add_middleware(
        Boundary,
        host_names={web.host, *web.host_names, *([public] if public else [])},
        origins=web.origins,
        metrics=parts.metrics,
    )
    return app


@router.post(exchange.PATH)
async def answer_question(parts: Parts, request: Request) -> Response:
    """A signed question of a gateway or the collector; the vault's signed, sealed answer."""
    answer = await parts.exchange.answer(await request.body())
    parts.metrics.answers.labels("exchange", "ok").inc()
    return Response(answer, media_type=exchange.CONTENT_TYPE)


@router.post(RESOLVE_PATH)
async def resolve(parts: Parts, request: Request) -> Response:
    """`telemetry.names.NamesQuestion` in, `NamesAnswer` out."""
    answer = await parts.names.resolve(_token(request), await request.body())
    parts.metrics.answers.labels("resolve", "ok").inc()
    parts.metrics.names.inc(len(answer.people))
    return Response(msgspec.json.encode(answer), media_type=_JSON)


@router.post(BREAK_GLASS_PATH)
async def break_glass(parts: Parts, request: Request) -> Response:
    """`telemetry.names.BreakGlass` in, `BreakGlassAnswer` out."""
    answer = await parts.names.break_glass(_token(request), await request.body())
    parts.metrics.answers.labels("break_glass", "ok").inc()
    parts.metrics.grants.inc()
    return Response(msgspec.json.encode(answer), media_type=_JSON)


@router.get("/healthz")
async def healthz(parts: Parts) -> Response:
    """200 when the database answers, 503 otherwise."""
    try:
        # A look beside the writers: a long import does not make the vault unwell.
        parts.metrics.map_version.set(await asyncio.to_thread(_map_version, parts.vault))
    except VaultUnavailableError:
        return Response(b'{"status":"trouble","components":{"database":"cannot be used"}}', 503, None, _JSON)
    return Response(b'{"status":"ok","components":{"database":"ok"}}', media_type=_JSON)


@router.get("/metrics")
async def metrics(parts: Parts) -> Response:
    """In the Prometheus text format."""
    return Response(generate_latest(parts.metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _map_version(vault: Vault) -> int:
    with vault.read() as connection:
        return map_version(connection)


def _token(request: Request) -> str:
    header = request.headers.get("authorization", "")
    if header[: len(_BEARER)].lower() != _BEARER:
        raise NamesRefusedError(401, "bad_token", "a token is needed: Authorization: Bearer")
    return header[len(_BEARER) :].strip()


async def _on_names_refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, NamesRefusedError)
    endpoint = "resolve" if request.url.path == RESOLVE_PATH else "break_glass"
    _metrics(request).answers.labels(endpoint, error.reason).inc()
    headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else {}
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(error.retry_after_s)
    return problem(error.status, error.detail, headers=headers)


async def _on_exchange_refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, ExchangeRefusedError)
    _metrics(request).answers.labels("exchange", error.title.replace(" ", "_")).inc()
    headers = {"Retry-After": str(RETRY_AFTER_S)} if error.status in {429, 503} else None
    return problem(error.status, error.detail, title=error.title, headers=headers)


async def _on_unavailable(request: Request, error: Exception) -> Response:
    _log.warning("web.unavailable", cause=str(error))
    _metrics(request).refused_at_door.labels("unavailable").inc()
    return problem(
        503, "the vault's database cannot be used now", headers={"Retry-After": str(RETRY_AFTER_S)}
    )


async def _on_http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    words = {404: "there is nothing here", 405: "this method is not allowed here"}
    return problem(
        error.status_code, words.get(error.status_code, "the request is wrong"), headers=error.headers
    )


async def _on_invalid(_: Request, __: Exception) -> Response:
    return problem(422, "the request is wrong")


def _metrics(request: Request) -> WebMetrics:
    parts = request.app.state.parts
    assert isinstance(parts, WebParts)
    return parts.metrics
