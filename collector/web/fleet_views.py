"""Gateways as the fleet pages show them: how each is, sorted by who needs somebody."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, NamedTuple, get_args

from fastapi import Request
from sqlalchemy import Connection

from collector.accounts.principal import Principal
from collector.fleet.standing import Standing, standing
from collector.fleet.trouble import KINDS, Trouble, troubles
from collector.records import Gateway, configurations, enrolment
from collector.records import gateways as gateway_rows
from collector.records.configurations import GatewayKey, State, Version
from collector.text import Language, Text
from collector.web.fleet_words import TROUBLES, standing_text
from collector.web.parts import WebParts
from collector.web.reasons import counts_text
from collector.web.sharing import Shared
from collector.web.wording import CLOCK_WORDS, age_text, size_text
from telemetry.quality import ClockQuality
from telemetry.status import Status

Show = Literal["all", "trouble", "silent", "configuration"]
SHOWS: Final[tuple[Show, ...]] = get_args(Show)
_NEVER: Final = Text("从未", "never")
_NOTHING: Final = Text("无", "none")
_BATCHES: Final = Text("批", "batches")
_OLDEST: Final = Text("最早", "oldest")


class TroubleView(NamedTuple):
    """A trouble in words. since: since when, empty where that is not known."""

    name: str
    advice: str
    since: str
    is_grave: bool


@dataclass(frozen=True)
class FleetRow:
    """One gateway. What it never said is empty."""

    school: str
    id: str
    active: bool
    troubles: list[TroubleView]
    kinds: frozenset[str]
    seen: str
    seen_ms: int | None
    buffer: str
    clock: str
    clock_is_good: bool
    software: str
    dropped: str
    given_up: str
    configuration: str
    how: Standing
    reason: str
    certificate: str
    order: tuple[bool, int, str, str]

    @property
    def level(self) -> str:
        """Of the dot: off, grave, warn or well."""
        if not self.active:
            return "off"
        if not self.troubles:
            return "well"
        return "grave" if self.troubles[0].is_grave else "warn"

    def is_shown(self, show: Show, words: Sequence[str]) -> bool:
        return _SHOWN[show](self) and all(word in self._text for word in words)

    @property
    def _text(self) -> str:
        parts = (self.school, self.id, self.software, self.configuration, self.reason,
                 *(one.name for one in self.troubles))  # fmt: skip
        return " ".join(parts).lower()


_SHOWN: Final[dict[Show, Callable[[FleetRow], bool]]] = {
    "all": lambda _: True,
    "trouble": lambda row: bool(row.troubles),
    "silent": lambda row: bool(row.kinds & {"silent", "never"}),
    "configuration": lambda row: row.active and row.how.word in {"waiting", "refused", "unable"},
}


class _Known(NamedTuple):
    """What the records say of all gateways."""

    gateways: list[Gateway]
    wanted: Mapping[GatewayKey, Version]
    told: Mapping[GatewayKey, State]
    certificates_end_ms: Mapping[GatewayKey, int]


async def fleet_rows(
    parts: WebParts, principal: Principal, language: Language, only: GatewayKey | None = None
) -> list[FleetRow]:
    """All gateways of the schools that somebody sees, or one: revoked ones last, the gravest trouble first."""
    known = await parts.records.look(_read)
    given_up = await parts.records.given_up()
    rows = [
        _row(gateway, known, given_up, parts, language)
        for gateway in known.gateways
        if principal.sees_school(gateway.school) and only in {None, (gateway.school, gateway.id)}
    ]
    return sorted(rows, key=lambda row: row.order)


def share_fleet(parts: WebParts) -> Shared[list[FleetRow]]:
    """The rows are the same for all who see the same schools and read one language."""
    return Shared(lambda: parts.hub.published["gateways"])


async def shared_rows(
    request: Request, parts: WebParts, principal: Principal, language: Language
) -> list[FleetRow]:
    """As `fleet_rows` of all, made once for many pages."""
    shared: Shared[list[FleetRow]] = request.app.state.fleet
    return await shared.get((principal.schools, language), lambda: fleet_rows(parts, principal, language))


def _read(connection: Connection) -> _Known:
    ends: dict[GatewayKey, int] = {}
    for one in enrolment.certificates(connection):
        key = (one.school, one.gateway)
        ends[key] = max(ends.get(key, 0), one.not_after_ms)
    return _Known(
        gateway_rows.find_all(connection),
        configurations.newest(connection),
        configurations.states(connection),
        ends,
    )


def _row(
    gateway: Gateway,
    known: _Known,
    given_up: Mapping[GatewayKey, Mapping[str, int]],
    parts: WebParts,
    language: Language,
) -> FleetRow:
    key, now_ms = (gateway.school, gateway.id), parts.now_ms()
    seen = parts.overview.of(*key)
    status, seen_ms = seen.status, seen.last_seen_ms
    how = standing(key, seen, known.wanted, known.told)
    ends_ms = known.certificates_end_ms.get(key)
    active = gateway.state == "active"
    found = troubles(seen, how, ends_ms, now_ms) if active else []
    return FleetRow(
        school=gateway.school,
        id=gateway.id,
        active=active,
        troubles=[_trouble(one, now_ms, language) for one in found],
        kinds=frozenset(one.kind for one in found),
        order=(not active, found[0].rank if found else len(KINDS), gateway.school, gateway.id),
        seen=_NEVER.in_(language) if seen_ms is None else age_text(now_ms - seen_ms, language),
        seen_ms=seen_ms,
        buffer=_buffer(status, language) if status else "",
        clock=CLOCK_WORDS[status.clock.name.lower()].in_(language) if status else "",
        clock_is_good=status is None or status.clock is ClockQuality.SYNCED,
        software=status.software if status else "",
        dropped=counts_text(status.dropped, language) if status else "",
        given_up=counts_text(dict(given_up.get(key, {})), language),
        configuration=standing_text(how, language),
        how=how,
        reason=how.reason if how.word == "refused" else "",
        certificate="" if ends_ms is None else date_text(ends_ms, parts),
    )


def _trouble(one: Trouble, now_ms: int, language: Language) -> TroubleView:
    words, since = TROUBLES[one.kind], ""
    if words.since is not None and one.since_ms is not None:
        since = words.since.in_(language).format(age_text(now_ms - one.since_ms, language))
    return TroubleView(words.name.in_(language), words.advice.in_(language), since, one.is_grave)


def _buffer(status: Status, language: Language) -> str:
    """How much waits there, and how old the oldest of it is by the gateway's own clock."""
    if not status.buffer_batches:
        return _NOTHING.in_(language)
    text = f"{status.buffer_batches:,} {_BATCHES.in_(language)} · {size_text(status.buffer_bytes)}"
    if status.buffer_oldest_ms is None:
        return text
    age = age_text(status.time_ms - status.buffer_oldest_ms, language)
    return f"{text} · {_OLDEST.in_(language)} {age}"


def date_text(time_ms: int, parts: WebParts) -> str:
    """The day at school, 2026-09-01."""
    return datetime.fromtimestamp(time_ms / 1_000, parts.time_zone).strftime("%Y-%m-%d")
