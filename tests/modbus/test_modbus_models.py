"""Every Modbus model of the catalogue: the simulator writes its registers, the driver reads them."""

from __future__ import annotations

from collections import Counter

import pytest

from device_profiles.modbus_schema import ModbusProfile
from device_profiles.registry import Catalogue
from edge_agent.clock import Clock
from edge_agent.counters import Counters
from edge_agent.drivers.modbus.config import ModbusSource
from edge_agent.drivers.modbus.driver import ModbusDriver, _Heard
from simulators.modbus import SimulatedUnit, TcpHost
from simulators.modbus.truth import school_truth
from simulators.modbus.unit import raw_of
from simulators.school import DEFAULT_SEED
from simulators.timetable import FIRST_MORNING_MS, Timeline
from telemetry.quality import Quality
from telemetry.readings import SeriesTable

CATALOGUE = Catalogue()
MODELS = {profile.id: profile.spec for profile in CATALOGUE.all() if isinstance(profile.spec, ModbusProfile)}
NOW_MS = FIRST_MORNING_MS + 3_600_000


def test_there_are_a_dozen_models() -> None:
    assert len(MODELS) >= 12


@pytest.mark.parametrize("model", MODELS)
async def test_what_the_simulator_writes_is_what_the_driver_reads(model: str) -> None:
    spec = MODELS[model]
    truth = school_truth(DEFAULT_SEED, model, model, Timeline(NOW_MS, NOW_MS, 1), lambda _: NOW_MS)
    table = SeriesTable()
    async with TcpHost([SimulatedUnit(1, spec, truth)]) as host:
        device = {"id": "device", "profile": model, "place": "main/301", "unit": 1}
        driver = ModbusDriver(
            ModbusSource.model_validate(
                {"name": "bus", "tcp": {"host": host.host, "port": host.port}, "devices": [device]}
            ),
            catalogue=CATALOGUE,
            table=table,
            clock=Clock("system"),
            counters=Counters(),
        )
        bus = driver._make_bus(Counters())
        heard = _Heard()
        (polled,) = bus.devices
        await bus.poll_once(polled, heard)
        await bus.close()
    assert not heard.reasons
    readings = heard.chunk.readings(table)
    assert Counter(one.series.quantity for one in readings) == Counter(row.quantity for row in spec.fields)
    rows = {row.quantity: row for row in spec.fields}
    for one in readings:
        row, expected = rows[one.series.quantity], truth(one.series.quantity)
        assert one.quality is not Quality.OUT_OF_RANGE, (one, expected)
        assert raw_of(row, one.value) == pytest.approx(raw_of(row, expected), abs=1, rel=1e-3)
