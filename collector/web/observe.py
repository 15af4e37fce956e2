"""For machines that watch the collector: /healthz and /metrics."""

from __future__ import annotations

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from collector.web.api.models import Health
from collector.web.parts import Parts
from collector.web.problems import describe

router = APIRouter(tags=["operation"])


@router.get(
    "/healthz",
    response_model=Health,
    responses={503: {"model": Health, "description": "A component is in trouble."}, **describe(421)},
    summary="Is every component well?",
)
async def healthz(parts: Parts, response: Response) -> Health:
    """200 when all are, 503 otherwise; the body says which and why."""
    components = dict(parts.health())
    well = all(state == "ok" for state in components.values())
    response.status_code = 200 if well else 503
    return Health(status="ok" if well else "trouble", components=components)


@router.get(
    "/metrics",
    summary="Metrics of the collector",
    response_class=Response,
    responses={
        200: {
            "description": "Prometheus text format.",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        },
        **describe(421),
    },
)
async def metrics(parts: Parts) -> Response:
    """In the Prometheus text format."""
    return Response(generate_latest(parts.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})
