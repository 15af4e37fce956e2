"""Turns a device's decoded JSON into readings, as its profile says. Pure: no I/O, no clock.

This is the gateway's hot path: a message costs one call, a plain number a dictionary look-up and
four appends; nothing is created a reading, and nothing at all for a message without refusals.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from device_profiles.cards import CardReader
from device_profiles.checks import CheckReader
from device_profiles.observations import NOTHING_REFUSED, CheckObservation, Outcome
from device_profiles.paths import ABSENT, Step, walk
from device_profiles.registry import mqtt_json_spec
from device_profiles.schema import ADDRESS, FieldRow
from device_profiles.times import TimeLimits, device_time
from device_profiles.values import VALUE_MAX, ValueReader
from telemetry.quality import Quality
from telemetry.readings import SeriesKey

if TYPE_CHECKING:
    from datetime import tzinfo

    from device_profiles.registry import Profile
    from telemetry.readings import Chunk, SeriesTable

_GOOD: Final = int(Quality.GOOD)
_UNCERTAIN: Final = int(Quality.UNCERTAIN)
_OUT_OF_RANGE: Final = int(Quality.OUT_OF_RANGE)
_STALE: Final = int(Quality.STALE)


class _Field:
    """A row of a profile, bound to a device's series."""

    __slots__ = ("event", "high", "low", "paths", "phases", "reader", "series", "unit_path")

    def __init__(self, row: FieldRow, index: Any) -> None:
        quantity = row.spec
        self.reader = ValueReader(row)
        self.paths: tuple[tuple[Step, ...], ...] = (row.path, *row.other_paths)
        self.unit_path = None if row.unit_from is None else row.unit_from.path
        self.event = row.event
        self.low = max(quantity.low if row.low is None else row.low, -VALUE_MAX)
        self.high = min(quantity.high if row.high is None else row.high, VALUE_MAX)
        self.series: int = index(row.quantity)
        self.phases = None if row.phases is None else [index(name) for name in row.phases]

    @property
    def is_plain(self) -> bool:
        return self.reader.is_plain and not self.event and self.phases is None and len(self.paths) == 1


_Plain = tuple[str, int, float, float, _Field]
"""Key, series, low, high, and the field for whatever is not a number in range."""


class DeviceDecoder:
    """Reads the messages of one device. `topics` are the MQTT filters it listens to.

    Not for use from several threads at once.
    """

    def __init__(
        self,
        profile: Profile,
        *,
        device: str,
        place: str,
        address: str,
        topics: tuple[str, ...],
        table: SeriesTable,
        zone: tzinfo,
        time_limits: TimeLimits,
    ) -> None:
        spec = mqtt_json_spec(profile)
        self.encoding = spec.encoding
        self.device = device
        self.place = place
        self.model = profile.id
        self.topics = topics
        self._zone = zone
        self._limits = time_limits
        self._roots = spec.roots
        self._flat = spec.roots == ((),)
        self._time = spec.time
        self._where = spec.where
        self._where_value = spec.where.value.replace(ADDRESS, address) if spec.where else ""
        self._refused: list[str] = []
        self._check = CheckReader(device, place, zone, time_limits) if spec.record else None
        self._card = CardReader(spec.card, device, place) if spec.card else None
        fields = [
            _Field(row, lambda name: table.index(SeriesKey(name, device, place, profile.id)))
            for row in spec.fields
        ]
        self._fields = fields
        self._others = tuple(field for field in fields if not _last_key(field))
        plain: dict[tuple[Step, ...], list[_Plain]] = {}
        for field in fields:
            if key := _last_key(field):
                row = (key, field.series, field.low, field.high, field)
                plain.setdefault(field.paths[0][:-1], []).append(row)
        self._plain = tuple((parent, tuple(rows)) for parent, rows in plain.items())

    @property
    def gives_checks(self) -> bool:
        """Messages are about people (a morning check), not about a room or machine."""
        return self._check is not None

    def accepts(self, payload: object) -> bool:
        """Whether a message on a shared topic is about this device."""
        if self._where is None:
            return True
        found = walk(payload, self._where.path)
        if isinstance(found, str):
            return found == self._where_value
        return type(found) is int and abs(found) < VALUE_MAX and str(found) == self._where_value

    def decode(
        self,
        payload: object,
        received_ms: int,
        retained: bool,  # noqa: FBT001  # positional: one call a message on the hot path
        chunk: Chunk,
        *,
        trust_device_time: bool = True,
    ) -> Outcome:
        """Appends a message's readings to `chunk`. Never raises, whatever the payload.

        received_ms: the gateway's time, ms UTC. retained: the broker's flag; such a message is old
        by an unknown time: it never presses a button or checks a pupil anew, and without a device
        time its readings are uncertain.
        trust_device_time: False while the gateway's own clock is not known.
        """
        refused = self._refused
        if self._check is not None:
            if retained:
                return Outcome(("retained_event",))
            check = self._check.read(payload, received_ms, refused, trust_device_time=trust_device_time)
            return self._outcome(check)
        if self._card is not None:
            return self._card.read(payload, received_ms, retained=retained)
        root = payload if self._flat else self._find_root(payload)
        if not isinstance(root, dict):
            return Outcome(("not_an_object" if self._flat else "no_known_field",))
        time_ms = received_ms
        quality = _UNCERTAIN if retained else _GOOD
        if self._time is not None and trust_device_time:
            told_ms = self._device_time_ms(root, received_ms)
            if told_ms is not None:
                time_ms = told_ms
                quality = _STALE if received_ms - told_ms > self._limits.stale_after_ms else _GOOD
        before = len(chunk.series)
        self._read_plain(root, time_ms, quality, chunk)
        for field in self._others:
            self._read(field, root, time_ms, quality, retained, chunk)
        if len(chunk.series) == before and not refused and not self._knows(root):
            refused.append("no_known_field")
        return self._outcome(None) if refused else NOTHING_REFUSED

    def _read_plain(self, root: object, time_ms: int, quality: int, chunk: Chunk) -> None:
        """The fields that are just numbers, without a call for each."""
        add_series, add_time = chunk.series.append, chunk.time_ms.append
        add_value, add_quality = chunk.value.append, chunk.quality.append
        for parent, rows in self._plain:
            node = walk(root, parent) if parent else root
            if not isinstance(node, dict):
                continue
            for key, series, low, high, field in rows:
                raw = node.get(key)
                if (type(raw) is float or type(raw) is int) and low <= raw <= high:
                    add_series(series)
                    add_time(time_ms)
                    add_value(raw + 0.0)
                    add_quality(quality)
                elif raw is not None:
                    self._add(field, series, raw, None, time_ms, quality, chunk)

    def _outcome(self, check: CheckObservation | None) -> Outcome:
        outcome = Outcome(tuple(self._refused), () if check is None else (check,))
        self._refused.clear()
        return outcome

    def _find_root(self, payload: object) -> object:
        for path in self._roots:
            root = walk(payload, path)
            if isinstance(root, dict):
                return root
        return ABSENT

    def _device_time_ms(self, root: object, received_ms: int) -> int | None:
        assert self._time is not None
        raw = walk(root, self._time.path)
        if raw is ABSENT or raw is None:
            return None
        time_ms, doubt = device_time(raw, self._time.unit, self._zone, received_ms, self._limits)
        if doubt is not None:
            self._refused.append(doubt)
            return None
        return time_ms

    def _read(
        self,
        field: _Field,
        root: object,
        time_ms: int,
        quality: int,
        retained: bool,  # noqa: FBT001  # as in decode
        chunk: Chunk,
    ) -> None:
        raw: object = ABSENT
        for path in field.paths:
            raw = walk(root, path)
            if raw is not ABSENT:
                break
        if raw is ABSENT or raw is None:
            return
        if field.event and retained:
            if field.reader.read(raw) == 1.0:
                self._refused.append("retained_event")
            return
        word = None
        if field.unit_path is not None:
            found = walk(root, field.unit_path)
            word = None if found is ABSENT else found
        if field.phases is None or not isinstance(raw, list):
            self._add(field, field.series, raw, word, time_ms, quality, chunk)
            return
        for series, one in zip(field.phases, raw, strict=False):
            self._add(field, series, one, word, time_ms, quality, chunk)
        if field.phases and len(raw) > len(field.phases):
            self._refused.append("too_many_phases")

    def _add(
        self,
        field: _Field,
        series: int,
        raw: object,
        word: object,
        time_ms: int,
        quality: int,
        chunk: Chunk,
    ) -> None:
        reader = field.reader
        value = reader.read(raw, word)
        if type(value) is float:
            if not field.low <= value <= field.high:
                quality = _OUT_OF_RANGE
            elif reader.uncertain and quality == _GOOD and reader.is_uncertain(raw):
                quality = _UNCERTAIN
            chunk.append(series, time_ms, value, quality)
        elif isinstance(value, str):
            self._refused.append(value)

    def _knows(self, root: object) -> bool:
        """Whether any field stands in the message at all, if only as null."""
        return any(walk(root, path) is not ABSENT for field in self._fields for path in field.paths)


def _last_key(field: _Field) -> str:
    """The last step of a plain field's path, where that is a key; else nothing."""
    last = field.paths[0][-1]
    return last if field.is_plain and isinstance(last, str) else ""
