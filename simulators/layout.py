"""How the school's devices are spread over gateways, for whoever writes the gateways' files."""

from __future__ import annotations

from typing import Final, NamedTuple, TypedDict

from simulators.school import GATE, SCHOOL_ID, TEACHING, School
from telemetry.credential_map import FORMAT, CredentialMap, Entry, blind

PURPOSE: Final = "health"


class DeviceEntry(TypedDict):
    """One ``[[mqtt.devices]]`` table of a gateway's file."""

    id: str
    profile: str
    place: str
    address: str


class GatewayLayout(NamedTuple):
    """A gateway and its devices. `has_station`: it needs a credential map."""

    id: str
    zh: str
    en: str
    devices: tuple[DeviceEntry, ...]
    has_station: bool


_GATEWAYS: Final = ((TEACHING, "教学楼网关", "Teaching gateway"), (GATE, "校门网关", "Gate gateway"))


def gateways(school: School) -> tuple[GatewayLayout, ...]:
    """The school's gateways: one for the rooms, one for the gate and the grounds."""
    return tuple(
        GatewayLayout(
            gateway,
            zh,
            en,
            tuple(
                DeviceEntry(id=one.id, profile=one.profile, place=one.place, address=one.address)
                for one in school.devices
                if one.gateway == gateway
            ),
            school.station.gateway == gateway,
        )
        for gateway, zh, en in _GATEWAYS
    )


def credential_map(
    school: School, gateway: str, gateway_key: bytes, issued_ms: int, *, school_id: str = SCHOOL_ID
) -> CredentialMap:
    """Every pupil's card, blinded with the gateway's key: stands in for the vault's map."""
    entries = {
        blind(gateway_key, pupil.card): Entry({PURPOSE: pupil.pseudonym}, pupil.class_id)
        for pupil in school.pupils
    }
    return CredentialMap(FORMAT, school_id, gateway, issued_ms, entries)
