"""Configuration of what is reported: `[[report]]` and `[silence]` in gateway.toml."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Annotated, Literal

from pydantic import Field, model_validator

from foundation.tomlfile import StrictModel
from foundation.tomllines import Location
from telemetry.quantities import QUANTITIES
from telemetry.readings import SeriesKey

Pattern = Annotated[str, Field(min_length=1, max_length=64)]


class ReportRule(StrictModel):
    """How readings of some devices and quantities are handed on; the first rule that fits counts.

    every: all of them, as without a rule. on-change: a number that differs from the last one handed
    on by `dead_band` or more (bools: that differs at all), and one each `heartbeat_s` besides.
    aggregate: each `interval_s` the mean, and minimum and maximum under quantities of their own.
    devices, quantities: ids and names, with * and ? for what may vary.
    """

    mode: Literal["every", "on-change", "aggregate"]
    devices: tuple[Pattern, ...] = ("*",)
    quantities: tuple[Pattern, ...] = ("*",)
    dead_band: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    heartbeat_s: float = Field(default=300.0, ge=1, le=86_400)
    interval_s: float = Field(default=60.0, ge=1, le=86_400)

    @model_validator(mode="after")
    def _settings_of_the_mode(self) -> ReportRule:
        belongs = {"dead_band": "on-change", "heartbeat_s": "on-change", "interval_s": "aggregate"}
        for name, mode in belongs.items():
            if name in self.model_fields_set and self.mode != mode:
                raise ValueError(f'{name} goes with mode = "{mode}"')
        return self

    def fits(self, key: SeriesKey) -> bool:
        return any(fnmatchcase(key.device, one) for one in self.devices) and any(
            fnmatchcase(key.quantity, one) for one in self.quantities
        )


class SilenceSection(StrictModel):
    """From when on a device counts as silent, in seconds without a word, where its profile is not to
    be followed: by device id, with * and ?. 0: never.
    """

    after_s: dict[Pattern, Annotated[float, Field(ge=0, le=2_592_000)]] = Field(default_factory=dict)

    def of(self, device: str, default_s: float) -> float:
        return next((after_s for one, after_s in self.after_s.items() if fnmatchcase(device, one)), default_s)


def find_problems(
    report: Sequence[ReportRule], silence: SilenceSection, devices: AbstractSet[str]
) -> Iterator[tuple[Location, str]]:
    """Misspelt names, which would be rules that never fit: where, and why. A pattern of devices may fit
    none, so that gateways can share their rules.
    """
    for at, rule in enumerate(report):
        for number, one in enumerate(rule.devices):
            if _is_name(one) and one not in devices:
                yield ("report", at, "devices", number), f"this gateway has no device {one!r}"
        for number, one in enumerate(rule.quantities):
            if not any(fnmatchcase(quantity, one) for quantity in QUANTITIES):
                yield ("report", at, "quantities", number), f"there is no quantity {one!r}{_meant(one)}"
    for one in silence.after_s:
        if _is_name(one) and one not in devices:
            yield ("silence", "after_s", one), f"this gateway has no device {one!r}"


def _is_name(pattern: str) -> bool:
    return not set(pattern) & set("*?[")


def _meant(name: str) -> str:
    close = get_close_matches(name, QUANTITIES, n=3)
    return f"; did you mean {', '.join(close)}?" if close else ""
