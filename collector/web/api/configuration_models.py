"""The answers of the API about configurations of gateways."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from collector.fleet.difference import Change
from collector.fleet.standing import Standing, Word
from collector.records.configurations import Version
from collector.times import iso
from collector.web.api.models import Model

_TIME = "2026-09-01T00:01:02.500Z"
_DIGEST = "9f" * 32


class VersionItem(Model):
    """A version, without what is in it."""

    version: int = Field(examples=[3])
    digest: str = Field(description="By which both ends tell that they mean the same.", examples=[_DIGEST])
    note: str = Field(examples=["CO₂ every 30 s"])
    made_by: str = Field(examples=["console"])
    made: str = Field(examples=[_TIME])
    made_ms: int


class VersionDetail(VersionItem):
    """A version and all of it, in two notations."""

    toml: str = Field(
        description="As it would stand in gateway.toml.", examples=["[batch]\ninterval_s = 5\n"]
    )
    configuration: dict[str, Any] = Field(description="The same.", examples=[{"batch": {"interval_s": 5}}])


class VersionMade(VersionItem):
    """The newest version after a change was asked for."""

    new: bool = Field(description="False: what was sent equals the newest version already.")


class VersionPage(Model):
    """One page of versions, newest first."""

    items: list[VersionItem]
    next_cursor: str | None = Field(
        description="Hand it back as `cursor` for the next page; null at the end.", examples=["3"]
    )


class Refusal(Model):
    """A version that the gateway could not apply."""

    version: int
    reason: str = Field(description="The gateway's own words.")


class ConfigurationNow(Model):
    """What a gateway should run and what it says it runs."""

    school: str = Field(examples=["example-primary"])
    gateway: str = Field(examples=["gw-north"])
    state: Word = Field(
        description="own: none was made here, it runs that of its own file. same: it runs the newest. waiting: "
        "not yet. refused: it could not apply the newest. unable: its program knows of no such thing."
    )
    wanted: VersionDetail | None = Field(description="The newest version; null when there is none.")
    running: int | None = Field(
        description="The version that runs; 0: that of its own file; null: it never said."
    )
    refused: Refusal | None
    reported: str | None = Field(description="When it said so.", examples=[_TIME])
    reported_ms: int | None


class SectionChange(Model):
    """How one section differs."""

    name: str = Field(
        description="A table, or a list of tables and the name of one.", examples=["modbus/hall"]
    )
    change: Change
    text: str = Field(
        description="Its lines as TOML: those that are gone behind -, those that are new behind +.",
        examples=["  interval_s = 30\n"],
    )


class DifferenceAnswer(Model):
    """What differs between two versions."""

    before: int
    after: int
    sections: list[SectionChange]


def version_item(one: Version) -> dict[str, Any]:
    """The fields of a `VersionItem`."""
    return {
        "version": one.version,
        "digest": one.digest,
        "note": one.note,
        "made_by": one.made_by,
        "made": iso(one.made_ms),
        "made_ms": one.made_ms,
    }


def refusal(found: Standing) -> Refusal | None:
    return None if found.refused is None else Refusal(version=found.refused, reason=found.reason)
