"""The numbers behind joins, read from ``limits.toml``: each with source, edition and confidence."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Literal

import msgspec


class Number(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One number and where it comes from."""

    value: float
    unit: str
    source: str
    edition: str
    confidence: Literal["O", "S", "G", "D", "E"]


class JoinLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """cases_min: distinct cases in a question. group_min: people exposed, and people by whom two
    questions differ. cell_min: people in a count that is told. unknown_share_max, unknown_free: unknown
    pseudonyms that are ignored. window_h: how long a question is remembered. questions_per_window,
    exposures_per_window: how many different ones are answered in that time.
    """

    cases_min: Number
    group_min: Number
    cell_min: Number
    unknown_share_max: Number
    unknown_free: Number
    window_h: Number
    questions_per_window: Number
    exposures_per_window: Number

    def __post_init__(self) -> None:
        # Below twice the cell and one, a count at one end would be one at the other as well.
        if not 1 <= self.cell_min.value * 2 - 1 <= self.group_min.value:
            raise ValueError("group_min must be at least twice cell_min less one")
        if not 0 <= self.unknown_share_max.value < 1 or self.cases_min.value < 1:
            raise ValueError("unknown_share_max must be below 1, cases_min at least 1")


def parse_limits(text: str) -> JoinLimits:
    """Raises ValueError that names what is wrong and where."""
    try:
        return msgspec.convert(tomllib.loads(text), JoinLimits)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ValueError(f"joins: {error}") from error


@cache
def default_limits() -> JoinLimits:
    """The limits that ship with this version."""
    return parse_limits(files("identity_vault.joins").joinpath("limits.toml").read_text("utf-8"))
