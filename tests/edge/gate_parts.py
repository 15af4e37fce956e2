"""A gate with what stands before and behind it, for a test to look at."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from typing import Any, Final
from zoneinfo import ZoneInfo

from device_profiles.observations import CheckObservation, TapObservation
from edge_agent.counters import Counters
from edge_agent.gate import Gate, Policy, load_policy
from edge_agent.gate.policy import parse_policy
from edge_agent.identity.carriers import Carriers
from edge_agent.identity.credentials import Credentials
from telemetry.credential_map import CredentialMap, Lesson, normalise_band
from telemetry.limits import default_limits
from telemetry.readings import Chunk, SeriesKey, SeriesTable
from telemetry.records import Record
from tests.edge.edge_parts import NOW_MS, HandClock
from tests.edge.maps import make_map, person

CARD, STRANGER, REFUSING = "04A2B31C", "04FFEEDD", "04112233"
BAND_ADDRESS: Final = "A4:C1:38:00:11:22"
MINUTE_MS: Final = 60_000
DAY_MS: Final = 86_400_000
LESSON: Final = Lesson(NOW_MS - 10 * MINUTE_MS, NOW_MS + 30 * MINUTE_MS, "pe", "field/track")
POLICY: Final = load_policy()


class Behind:
    """The gate's outlet."""

    def __init__(self) -> None:
        self.bulks: list[Chunk] = []
        self.urgents: list[tuple[Chunk | None, tuple[Record, ...], bool]] = []
        self.later: list[Record] = []

    def bulk(self, chunk: Chunk) -> None:
        self.bulks.append(chunk)

    def urgent(self, chunk: Chunk | None, records: Sequence[Record], *, alarm: bool) -> None:
        self.urgents.append((chunk, tuple(records), alarm))

    def records(self, records: Sequence[Record]) -> None:
        self.later += records

    @property
    def all_records(self) -> list[Record]:
        return [record for _, records, _ in self.urgents for record in records] + self.later


class Door:
    """A gate, its clock set by hand, and its counters."""

    def __init__(
        self,
        found: CredentialMap | None = None,
        *,
        policy: Policy = POLICY,
        meals: Iterable[str] = ("counter-1",),
        bands: Mapping[str, str] | None = None,
    ) -> None:
        self.table, self.counters, self.behind = SeriesTable(), Counters(), Behind()
        self.hands = HandClock()
        self.clock = self.hands.clock()
        self.credentials = Credentials(found)
        self.carriers = Carriers({"band-1": BAND_ADDRESS} if bands is None else bands)
        self.gate = Gate(
            self.table,
            self.clock,
            self.credentials,
            self.carriers,
            self.behind,
            self.counters,
            default_limits(),
            policy=policy,
            meals=tuple(meals),
            zone=ZoneInfo("Asia/Shanghai"),
        )

    def check(self, temperature_c: float, card: str | None = CARD, **changes: Any) -> None:
        given = CheckObservation(NOW_MS, "station-1", "main/gate", card, "ear", temperature_c)
        self.gate.check(given._replace(**changes))

    def tap(self, card: str | None = CARD, device: str = "door-1", **changes: Any) -> None:
        given = TapObservation(NOW_MS, device, "main/gate", card, 2)
        self.gate.tap(given._replace(**changes))

    def read(
        self,
        quantity: str,
        value: float,
        device: str = "band-1",
        place: str = "main/1",
        time_ms: int | None = None,
    ) -> None:
        """One reading, taken now or at a time."""
        when = self.hands.wall_ms if time_ms is None else time_ms
        chunk = Chunk()
        chunk.append(self.table.index(SeriesKey(quantity, device, place, "m")), when, value)
        self.gate.readings(chunk)

    def passed(self) -> list[tuple[str, str]]:
        """Device and quantity of every ambient reading that passed, urgent ones too."""
        chunks = [*self.behind.bulks, *(chunk for chunk, _, _ in self.behind.urgents if chunk)]
        keys = [self.table[series] for chunk in chunks for series in chunk.series]
        return [(key.device, key.quantity) for key in keys]


def school_map(**settings: Any) -> CredentialMap:
    """Pupil 1 with everything permitted, a card and a band, in a PE lesson; pupil 2 has agreed to nothing."""
    one = person(
        1,
        {"health": "P-H", "sport": "P-S", "access": "P-A", "nutrition": "P-N", "safety": "P-X"},
        heart_rate_max=200,
    )
    two = person(2, {"safety": "Q-X"})
    wanted: dict[str, Any] = {"lessons": {"c-1": [LESSON]}} | settings
    return make_map([one, two], {CARD: 1, normalise_band(BAND_ADDRESS): 1, REFUSING: 2}, **wanted)


def changed_policy(*changes: tuple[str, str]) -> Policy:
    """The bundled policy with pieces of its text replaced."""
    text = bundled_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return parse_policy(text.encode(), "policy.toml")


def without_record(record: str) -> str:
    """The bundled policy's text without the rule of a record and what goes into it."""
    sections = re.split(r"(?m)^(?=\[)", bundled_text())
    kept = [one for one in sections if not one.startswith(f"[records.{record}]")]
    assert len(kept) == len(sections) - 1
    return re.sub(rf'(?m)^\w+ = "{record}"\n', "", "".join(kept))


def bundled_text() -> str:
    return files("edge_agent.gate").joinpath("policy.toml").read_text("utf-8")
