"""The units a device may speak and how each becomes the unit of a quantity: one small table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from telemetry.quantities import Quantity


class Linear(NamedTuple):
    """``value = raw * scale + offset``."""

    scale: float = 1.0
    offset: float = 0.0

    def after(self, first: Linear) -> Linear:
        """Both in one step: first the other, then this."""
        return Linear(first.scale * self.scale, first.offset * self.scale + self.offset)


SAME: Final = Linear()

CONVERSIONS: Final[dict[tuple[str, str], Linear]] = {
    ("degF", "Cel"): Linear(5 / 9, -160 / 9),
    ("K", "Cel"): Linear(1, -273.15),
    ("mV", "V"): Linear(0.001),
    ("mA", "A"): Linear(0.001),
    ("mW", "W"): Linear(0.001),
    ("kW", "W"): Linear(1_000),
    ("kVA", "VA"): Linear(1_000),
    ("kvar", "var"): Linear(1_000),
    ("Wh", "kWh"): Linear(0.001),
    ("MWh", "kWh"): Linear(1_000),
    ("km/h", "m/s"): Linear(1 / 3.6),
    ("cm", "mm"): Linear(10),
    ("m", "mm"): Linear(1_000),
    ("Pa", "hPa"): Linear(0.01),
    ("kPa", "hPa"): Linear(10),
    ("mbar", "hPa"): SAME,
    ("mm[Hg]", "hPa"): Linear(1.33322387415),  # conventional millimetre of mercury, ISO 80000-4
    ("ug/m3", "mg/m3"): Linear(0.001),
    ("mg/m3", "ug/m3"): Linear(1_000),
    ("ppb", "ppm"): Linear(0.001),
    ("ppm", "ppb"): Linear(1_000),
    ("mS/cm", "uS/cm"): Linear(1_000),
    ("g", "kg"): Linear(0.001),
    ("t", "kg"): Linear(1_000),
    ("[lb_av]", "kg"): Linear(0.45359237),  # international avoirdupois pound, 1959
    ("[jin_i]", "kg"): Linear(0.5),  # market pound of mainland China; our code, UCUM has none
    ("[in_i]", "m"): Linear(0.0254),
    ("cm", "m"): Linear(0.01),
    ("mL", "L"): Linear(0.001),
    ("m3", "L"): Linear(1_000),
    ("L", "m3"): Linear(0.001),
    ("L/h", "m3/h"): Linear(0.001),
    ("klx", "lx"): Linear(1_000),
    ("dBm", "dB[mW]"): SAME,
}


def conversion(unit: str, quantity: Quantity) -> Linear | None:
    """How a value in `unit` becomes one of `quantity`, or None where no rule is known."""
    if unit in (quantity.unit, quantity.ucum):
        return SAME
    return CONVERSIONS.get((unit, quantity.unit))


def accepted_units(quantity: Quantity) -> list[str]:
    """Every unit that can become the quantity's, its own first."""
    return [quantity.unit, *(source for source, target in CONVERSIONS if target == quantity.unit)]
