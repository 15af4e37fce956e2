"""All that is known of one gateway, and the versions of its configuration, as its page shows them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from collector.accounts.principal import Principal
from collector.records.configurations import GatewayKey, Version
from collector.text import Language, Text
from collector.web.configuring import unknown_gateway
from collector.web.fleet_views import FleetRow, fleet_rows
from collector.web.fleet_words import running_text, version_text
from collector.web.parts import WebParts
from collector.web.reasons import REASONS
from collector.web.wording import age_text, clock_text

_BY: Final = {"console": Text("网页", "this page"), "command": Text("命令行", "a command")}


class Count(NamedTuple):
    """How much of something, by reason."""

    reason: str
    number: str


class VersionRow(NamedTuple):
    """A version in the history."""

    version: int
    note: str
    made_by: str
    made: str
    made_ms: int
    age: str


@dataclass(frozen=True)
class GatewayDetails:
    """A row of the fleet and what it has no room for. Counts are since the gateway's start."""

    row: FleetRow
    started: str
    readings_in: str
    readings_stored: str
    dropped: list[Count]
    given_up: list[Count]
    wanted: str
    running: str
    refused: str
    reported: str
    data_age: str
    data_ms: int | None


async def details(
    parts: WebParts, principal: Principal, key: GatewayKey, language: Language
) -> GatewayDetails:
    """Raises ProblemError 404."""
    rows = await fleet_rows(parts, principal, language, key)
    if not rows:
        raise unknown_gateway(key)
    given_up = (await parts.records.given_up()).get(key, {})
    row, seen, now_ms = rows[0], parts.overview.of(*key), parts.now_ms()
    how, status = row.how, seen.status

    def at(time_ms: int | None) -> str:
        return "" if time_ms is None else clock_text(time_ms, now_ms, parts.time_zone)

    return GatewayDetails(
        row=row,
        started=at(status.started_ms) if status else "",
        readings_in=f"{status.readings_in:,}" if status else "",
        readings_stored=f"{status.readings_stored:,}" if status else "",
        dropped=_counts(status.dropped if status else {}, language),
        given_up=_counts(given_up, language),
        wanted=version_text(how.wanted.version, language) if how.wanted else "",
        running=running_text(how.running, language),
        # What it runs meanwhile makes an earlier refusal old news.
        refused="" if how.refused is None or how.word == "same" else version_text(how.refused, language),
        reported=at(how.reported_ms),
        data_age="" if seen.last_data_ms is None else age_text(now_ms - seen.last_data_ms, language),
        data_ms=seen.last_data_ms,
    )


def version_rows(versions: Iterable[Version], parts: WebParts, language: Language) -> list[VersionRow]:
    now_ms = parts.now_ms()
    return [
        VersionRow(
            one.version,
            one.note,
            _BY[one.made_by].in_(language) if one.made_by in _BY else one.made_by,
            clock_text(one.made_ms, now_ms, parts.time_zone),
            one.made_ms,
            age_text(now_ms - one.made_ms, language),
        )
        for one in versions
    ]


def _counts(by_reason: Mapping[str, int], language: Language) -> list[Count]:
    largest = sorted(by_reason.items(), key=lambda one: (-one[1], one[0]))
    return [
        Count(REASONS[reason].in_(language) if reason in REASONS else reason, f"{count:,}")
        for reason, count in largest
        if count
    ]
