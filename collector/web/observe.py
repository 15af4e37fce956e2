"""For machines that watch the collector: /healthz and /metrics."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from collector.web.access import PUBLIC, allow, asker
from collector.web.api.models import Health
from collector.web.parts import Parts
from collector.web.problems import describe, describe_guarded

router = APIRouter(tags=["operation"])


@router.get(
    "/healthz",
    response_model=Health,
    responses={503: {"model": Health, "description": "A component is in trouble."}, **describe(421)},
    summary="Is every component well?",
    dependencies=[PUBLIC],
)
async def healthz(parts: Parts, request: Request, response: Response) -> Health:
    """200 when all are, 503 otherwise; the body says which and why to whoever may read the metrics."""
    components = dict(parts.health())
    well = all(state == "ok" for state in components.values())
    response.status_code = 200 if well else 503
    who = await asker(request)
    told = components if who is not None and who.may("operation.read") else {}
    return Health(status="ok" if well else "trouble", components=told)


@router.get(
    "/metrics",
    summary="Metrics of the collector",
    response_class=Response,
    responses={
        200: {
            "description": "Prometheus text format.",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        },
        **describe_guarded(),
    },
    dependencies=[allow("operation.read")],
)
async def metrics(parts: Parts) -> Response:
    """In the Prometheus text format. Prometheus sends a token with `authorization` of its scrape job."""
    return Response(generate_latest(parts.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})
