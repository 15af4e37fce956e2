"""Reads simulated messages with the real profiles, as a gateway would."""

from __future__ import annotations

from typing import NamedTuple
from zoneinfo import ZoneInfo

from device_profiles.binding import bind
from device_profiles.decoder import DeviceDecoder
from device_profiles.observations import Outcome
from device_profiles.parsing import DecodeError, parse_json
from device_profiles.registry import Catalogue
from device_profiles.routing import Router
from simulators.layout import gateways
from simulators.school import School
from telemetry.readings import Chunk, Reading, SeriesTable

ZONE = ZoneInfo("Asia/Shanghai")


class ReadBack(NamedTuple):
    """What came of one message: per device that took it, its readings and outcome."""

    device: str
    readings: list[Reading]
    outcome: Outcome


class Reader:
    """Every device of every gateway's layout, bound to its profile."""

    def __init__(self, school: School) -> None:
        catalogue = Catalogue()
        self.table = SeriesTable()
        self.router: Router[DeviceDecoder] = Router(
            [
                bind(
                    catalogue.get(entry["profile"]),
                    device=entry["id"],
                    place=entry["place"],
                    address=entry["address"],
                    table=self.table,
                    zone=ZONE,
                )
                for gateway in gateways(school)
                for entry in gateway.devices
            ]
        )

    def read(self, topic: str, payload: bytes, received_ms: int) -> list[ReadBack]:
        try:
            content = parse_json(payload)
        except DecodeError:
            return []
        found: list[ReadBack] = []
        for decoder in self.router.match(topic):
            if decoder.accepts(content):
                chunk = Chunk()
                outcome = decoder.decode(content, received_ms, False, chunk)
                found.append(ReadBack(decoder.device, chunk.readings(self.table), outcome))
        return found
