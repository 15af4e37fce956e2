"""Heart rates of PE lessons, reduced to windows of fifteen seconds. Single values live in memory for as
long as their window is open, and nowhere else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from edge_agent.clock import Clock
from edge_agent.gate.admission import ANONYMOUS, Admission, Pass
from edge_agent.gate.policy import HeartRateRule
from edge_agent.gate.rounding import generalise, time_to_step, to_step
from edge_agent.identity.carriers import Carriers
from edge_agent.identity.credentials import Lookup
from telemetry.quantities import QUANTITIES
from telemetry.readings import Chunk, SeriesKey, SeriesTable
from telemetry.records import WINDOW_S, HeartRateWindow

WINDOW_MS: Final = WINDOW_S * 1_000
GRACE_MS: Final = 3_000
"""How long after its end a window waits for what is still on its way from the driver."""
IDLE_MS: Final = 3_600_000
"""A band that has said nothing for so long is forgotten."""
BANDS_MAX: Final = 1_024
SAMPLES_MAX: Final = 1_024
"""Values in one window: bands send one a second, some a few."""
LIMIT_SHARE: Final = 0.95
"""Of the age's greatest heart rate: from here on a second counts as above the limit."""

LATE: Final = "late_sample"
AHEAD: Final = "sample_from_the_future"
OUTSIDE: Final = "outside_pe_lesson"
CHANGED_HANDS: Final = "band_changed_hands"
NO_RATE: Final = "no_heart_rate"
OUT_OF_RANGE: Final = "out_of_range"
TOO_MANY_BANDS: Final = "too_many_bands"
TOO_MANY_SAMPLES: Final = "too_many_samples"

_LOW: Final = QUANTITIES["heart_rate"].low
_HIGH: Final = QUANTITIES["heart_rate"].high


class _Band:
    """One band and its open window. From `from_ms` to `to_ms`, both included, the same holds of every
    value: it is taken, or dropped for the reason `refusal`. `floor_ms`: earlier ones are late.
    `heard_ms`: by the gateway's clock, when it last had something new to judge.
    """

    __slots__ = (
        "above_s", "contacts", "floor_ms", "from_ms", "heard_ms", "key", "limit", "passed", "place", "rates",
        "refusal", "start_ms", "to_ms", "touching",
    )  # fmt: skip

    def __init__(self, key: SeriesKey) -> None:
        self.key = key
        self.floor_ms = self.heard_ms = 0
        self.clear()

    def clear(self) -> None:
        """No window is open."""
        self.start_ms = -1
        self.from_ms, self.to_ms = 1, 0
        self.refusal = ""
        self.passed = ANONYMOUS
        self.place = ""
        self.limit: float | None = None
        self.rates: list[float] = []
        self.above_s: set[int] = set()
        self.contacts = 0
        self.touching = 0


class HeartRates:
    """Takes what bands say, gives windows. A window is closed by a value after it, by `tick`, or by
    `close`; it passes only if its wearer is still permitted then.
    """

    def __init__(
        self,
        table: SeriesTable,
        rule: HeartRateRule,
        admission: Admission,
        carriers: Carriers,
        clock: Clock,
        dropped: Counter[str],
    ) -> None:
        self._table = table
        self._rule = rule
        self._admission = admission
        self._carriers = carriers
        self._clock = clock
        self._dropped = dropped
        self._bands: dict[str, _Band] = {}
        self._series: dict[int, tuple[_Band, bool]] = {}
        """Whose series it is, and whether of heart rates; the others are of skin contact."""

    def take(self, chunk: Chunk) -> Sequence[HeartRateWindow]:
        """Values of the series "heart_rate" and "skin_contact" of any devices; the windows now closed."""
        closed: list[HeartRateWindow] = []
        known, dropped = self._series, self._dropped
        for series, time_ms, value in zip(chunk.series, chunk.time_ms, chunk.value, strict=True):
            found = known.get(series) or self._meet(series)
            if found is None:
                dropped[TOO_MANY_BANDS] += 1
                continue
            band, is_rate = found
            if not band.from_ms <= time_ms <= band.to_ms and (reason := self._turn(band, time_ms, closed)):
                dropped[reason] += 1
            elif band.refusal:
                dropped[band.refusal] += 1
            elif not is_rate:
                band.contacts += 1
                band.touching += value == 1
            elif not _LOW <= value <= _HIGH:
                dropped[OUT_OF_RANGE] += 1
            elif len(band.rates) >= SAMPLES_MAX:
                dropped[TOO_MANY_SAMPLES] += 1
            else:
                band.rates.append(value)
                if band.limit is not None and value >= band.limit:
                    band.above_s.add(time_ms // 1_000)
        return closed

    def tick(self) -> Sequence[HeartRateWindow]:
        """The windows that are over, or that lie in the future since the clock was set back."""
        now_ms = self._clock.now_ms()
        closed: list[HeartRateWindow] = []
        for band in list(self._bands.values()):
            end_ms = band.start_ms + WINDOW_MS
            if band.start_ms >= 0 and (end_ms + GRACE_MS <= now_ms or band.start_ms > now_ms + WINDOW_MS):
                self._close(band, closed)
                band.floor_ms = end_ms
            if abs(now_ms - band.heard_ms) > IDLE_MS:
                del self._bands[band.key.device]
                self._series = {at: one for at, one in self._series.items() if one[0] is not band}
        return closed

    def close(self) -> Sequence[HeartRateWindow]:
        """All that are open: nothing more will come."""
        closed: list[HeartRateWindow] = []
        for band in self._bands.values():
            self._close(band, closed)
        return closed

    def _meet(self, series: int) -> tuple[_Band, bool] | None:
        key = self._table[series]
        band = self._bands.get(key.device)
        if band is None:
            if len(self._bands) >= BANDS_MAX:
                return None
            band = self._bands[key.device] = _Band(key)
        found = self._series[series] = (band, key.quantity == "heart_rate")
        return found

    def _turn(self, band: _Band, time_ms: int, closed: list[HeartRateWindow]) -> str:
        """Finds out what holds at a time of which the band does not know it yet; or why the value is
        dropped whoever wears the band.
        """
        now_ms = band.heard_ms = self._clock.now_ms()
        if time_ms > now_ms + WINDOW_MS:
            return AHEAD
        if band.floor_ms > now_ms + WINDOW_MS:  # the clock has been set back
            self._close(band, closed)
            band.floor_ms = 0
        if time_ms < band.floor_ms:
            return LATE
        start_ms = time_ms - time_ms % WINDOW_MS
        if start_ms != band.start_ms:
            self._close(band, closed)
            band.start_ms = band.floor_ms = start_ms
        self._judge(band, time_ms, now_ms)
        return ""

    def _judge(self, band: _Band, time_ms: int, now_ms: int) -> None:
        """Whether values are taken at a time in the band's window, and for how long that holds."""
        band.from_ms, band.to_ms = band.start_ms, band.start_ms + WINDOW_MS - 1
        person = self._admission.credentials.find(self._carriers.find(band.key.device), now_ms)
        found = self._admission.credentials.current(now_ms)
        if isinstance(person, Lookup) or found is None:
            band.refusal = person.value if isinstance(person, Lookup) else Lookup.MAP_UNUSABLE.value
            return
        passed = self._admission.permit(person, now_ms)
        if isinstance(passed, str):
            band.refusal = passed
            return
        span = self._admission.timetable(found).lesson(person.class_id, time_ms)
        band.from_ms, band.to_ms = max(band.from_ms, span.from_ms), min(band.to_ms, span.to_ms)
        if span.place is None:
            band.refusal = OUTSIDE
            return
        if (band.rates or band.contacts) and passed.pseudonym != band.passed.pseudonym:
            band.refusal = CHANGED_HANDS
            return
        band.refusal = ""
        band.passed = passed
        band.place = span.place
        band.limit = None if person.heart_rate_max is None else LIMIT_SHARE * person.heart_rate_max

    def _close(self, band: _Band, closed: list[HeartRateWindow]) -> None:
        if band.rates:
            passed = self._still_permitted(band)
            if isinstance(passed, str):
                self._dropped[passed] += len(band.rates) + band.contacts
            else:
                closed.append(self._window(band, passed))
        elif band.contacts:
            self._dropped[NO_RATE] += band.contacts
        band.clear()

    def _still_permitted(self, band: _Band) -> Pass | str:
        """By the map as it is now, and only for whom the values were taken."""
        now_ms = self._clock.now_ms()
        person = self._admission.credentials.find(self._carriers.find(band.key.device), now_ms)
        if isinstance(person, Lookup):
            return person.value
        passed = self._admission.permit(person, now_ms)
        if isinstance(passed, Pass) and passed.pseudonym != band.passed.pseudonym:
            return CHANGED_HANDS
        return passed

    def _window(self, band: _Band, passed: Pass) -> HeartRateWindow:
        rule, rates = self._rule, band.rates
        return HeartRateWindow(
            time_to_step(band.start_ms, rule.time_s),
            generalise(band.place or band.key.place, rule.place),
            to_step(sum(rates) / len(rates), rule.bpm),
            to_step(min(rates), rule.bpm),
            to_step(max(rates), rule.bpm),
            len(rates),
            round(band.touching / band.contacts, 2) if band.contacts else None,
            None if band.limit is None else float(len(band.above_s)),
            passed.pseudonym,
            passed.class_id,
        )
