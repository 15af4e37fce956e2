"""The numbers behind rules, read from ``limits.toml``: each with source, edition and confidence."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Literal

import msgspec

from telemetry.records import SITES


class Limit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A number that a rule compares with. A bound that is not given does not bind."""

    unit: str
    source: str
    edition: str
    confidence: Literal["O", "S", "G", "D", "E"]
    at_or_above: float | None = None
    above: float | None = None
    at_or_below: float | None = None
    below: float | None = None

    def __post_init__(self) -> None:
        if (self.at_or_above, self.above, self.at_or_below, self.below) == (None,) * 4:
            raise ValueError("a limit needs one of at_or_above, above, at_or_below, below")

    def holds(self, value: float) -> bool:
        """Whether the value lies where the limit says."""
        return (
            (self.at_or_above is None or value >= self.at_or_above)
            and (self.above is None or value > self.above)
            and (self.at_or_below is None or value <= self.at_or_below)
            and (self.below is None or value < self.below)
        )


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The tables of ``limits.toml``. A table that lacks what a rule asks for is refused here, and
    not when the first fever comes.
    """

    fever: dict[str, Limit]
    valid: dict[str, Limit]

    def __post_init__(self) -> None:
        for site in SITES:
            if site not in self.fever:
                raise ValueError(f"fever.{site} is missing")
        for site, limit in self.fever.items():
            if site not in SITES:
                raise ValueError(f"fever.{site}: a site is one of {', '.join(SITES)}")
            if limit.at_or_above is None and limit.above is None:
                raise ValueError(f"fever.{site} needs at_or_above or above")
        for name in ("body_temperature", "ambient_for_infrared"):
            if name not in self.valid:
                raise ValueError(f"valid.{name} is missing")


def parse_limits(text: str) -> Limits:
    """Limits from TOML text. Raises ValueError that names what is wrong and where."""
    try:
        return msgspec.convert(tomllib.loads(text), Limits)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ValueError(f"limits: {error}") from error


@cache
def default_limits() -> Limits:
    """The limits that ship with this version."""
    return parse_limits(files("telemetry").joinpath("limits.toml").read_text("utf-8"))
