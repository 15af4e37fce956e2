"""GET /api/v1/gateways."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter

from collector.accounts.principal import Principal
from collector.overview import GatewayOverview
from collector.records import Gateway, enrolment
from collector.times import iso
from collector.web.access import allow
from collector.web.api.models import Buffer, GatewayItem, GatewayList, GatewayStatus
from collector.web.parts import Parts, WebParts
from collector.web.problems import describe_guarded

router = APIRouter(tags=["gateways"])


@router.get(
    "/gateways",
    response_model=GatewayList,
    responses=describe_guarded(503),
    summary="Registered gateways and how they are",
)
async def list_gateways(parts: Parts, asker: Annotated[Principal, allow("gateways.read")]) -> GatewayList:
    """Every gateway the collector knows. `last_data` comes from its data, not from its connection: a
    gateway that is switched off never looks connected.
    """
    return GatewayList(items=await gateway_items(parts, asker), refused=dict(parts.overview.refusals))


async def gateway_items(parts: WebParts, asker: Principal) -> list[GatewayItem]:
    """Those of the schools that somebody sees."""
    given_up = await parts.records.given_up()
    certificates = await parts.records.look(enrolment.certificates)
    # Of each gateway the newest is the last.
    ends_ms = {(one.school, one.gateway): one.not_after_ms for one in certificates}
    return [
        _item(
            gateway,
            parts.overview.of(gateway.school, gateway.id),
            given_up.get((gateway.school, gateway.id), {}),
            ends_ms.get((gateway.school, gateway.id)),
        )
        for gateway in await parts.records.gateways()
        if asker.sees_school(gateway.school)
    ]


def _item(
    gateway: Gateway, seen: GatewayOverview, given_up: dict[str, int], ends_ms: int | None
) -> GatewayItem:
    return GatewayItem(
        school=gateway.school,
        id=gateway.id,
        state=gateway.state,
        added=iso(gateway.added_ms),
        added_ms=gateway.added_ms,
        revoked=_iso(gateway.revoked_ms),
        revoked_ms=gateway.revoked_ms,
        certificate_ends=_iso(ends_ms),
        certificate_ends_ms=ends_ms,
        last_data=_iso(seen.last_data_ms),
        last_data_ms=seen.last_data_ms,
        readings_stored=seen.readings_stored,
        given_up=given_up,
        status=_status(seen),
    )


def _status(seen: GatewayOverview) -> GatewayStatus | None:
    said = seen.status
    if said is None:
        return None
    return GatewayStatus.model_validate(
        {
            "time": iso(said.time_ms),
            "time_ms": said.time_ms,
            "received_ms": seen.status_ms,
            "clock": said.clock.name.lower(),
            "software": said.software,
            "started": iso(said.started_ms),
            "started_ms": said.started_ms,
            "buffer": Buffer(
                batches=said.buffer_batches,
                bytes=said.buffer_bytes,
                oldest=_iso(said.buffer_oldest_ms),
                oldest_ms=said.buffer_oldest_ms,
            ),
            "readings_in": said.readings_in,
            "readings_stored": said.readings_stored,
            "dropped": said.dropped,
        }
    )


def _iso(time_ms: int | None) -> str | None:
    return None if time_ms is None else iso(time_ms)
