"""What electricity meters sense: of one line or of three, the loads of the place they are at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from simulators import energy
from simulators.world import Device, Sense, World, spot

POWER_FACTOR: Final = 0.92
_REACTIVE: Final = (1 - POWER_FACTOR**2) ** 0.5 / POWER_FACTOR
_LINES: Final = (1, 2, 3)


def _power(line: int) -> Sense:
    return lambda world, device, ms: energy.power_w(world, device.place, line, ms)


def _power_total(world: World, device: Device, ms: int) -> float:
    lines = range(1, device.plan.phases + 1)
    return sum(energy.power_w(world, device.place, line, ms) for line in lines)


def _of_power(factor: float) -> Sense:
    return lambda world, device, ms: factor * _power_total(world, device, ms)


def _voltage(line: int) -> Sense:
    return lambda world, device, ms: 230 + spot(world, device, f"voltage {line}", ms, 4)


def _current(line: int) -> Sense:
    """Of a load with the power factor of all our loads."""
    return lambda world, device, ms: (
        _power(line)(world, device, ms) / _voltage(line)(world, device, ms) / POWER_FACTOR
    )


def _frequency(world: World, device: Device, ms: int) -> float:
    return 50 + spot(world, device, "grid", ms, 0.04)


def _energy(world: World, device: Device, ms: int) -> float:
    return energy.energy_kwh(world, device.place, device.plan.phases, ms)


METER_SENSES: Final[Mapping[str, Sense]] = {
    "energy": _energy,
    "energy_import": _energy,
    "energy_export": lambda _world, _device, _ms: 0.0,
    "power": _power_total,
    "power_total": _power_total,
    "apparent_power": _of_power(1 / POWER_FACTOR),
    "reactive_power": _of_power(_REACTIVE),
    "power_factor": lambda _world, _device, _ms: POWER_FACTOR,
    "voltage": _voltage(1),
    "current": _current(1),
    "frequency": _frequency,
    **{f"power_l{line}": _power(line) for line in _LINES},
    **{f"voltage_l{line}": _voltage(line) for line in _LINES},
    **{f"current_l{line}": _current(line) for line in _LINES},
    **{f"frequency_l{line}": _frequency for line in _LINES},
}
"""The quantities of a meter; without a line in its name, those of the first line or of all together."""
