"""Reads what a device posts over HTTP, as its profile says. Pure: no I/O, no clock."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from datetime import tzinfo
from typing import Final

from device_profiles.adapters import ADAPTERS, Adapter, CardNotation, Event
from device_profiles.binding import bind
from device_profiles.checks import TEMPERATURE_C
from device_profiles.http_schema import HttpProfile
from device_profiles.observations import NOTHING_REFUSED, CheckObservation, Outcome, TapObservation
from device_profiles.parsing import DecodeError, parse_json
from device_profiles.registry import Profile, http_spec
from device_profiles.schema import MqttJsonProfile
from device_profiles.times import TimeLimits, doubt_time, read_time_ms
from device_profiles.xmltree import parse_xml
from telemetry.readings import Chunk, SeriesTable

EVENTS_REMEMBERED_MAX: Final = 2_048
"""Of one device, to know again what it sends twice; a terminal keeps more, but repeats the newest."""
PLAIN_ANSWER: Final = b'{"ok":true}'
SITE: Final = "forehead"
"""Where cameras and terminals without contact look."""


def parse_body(body: bytes) -> object:
    """A posted body, JSON or XML, as JSON values. Raises DecodeError."""
    start = body.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    return parse_xml(body.strip()) if start == b"<" else parse_json(body)


class HttpDecoder:
    """Reads the posts of one device. Remembers events, so that none counts twice.

    Not for use from several threads at once.
    """

    def __init__(
        self,
        profile: Profile,
        *,
        device: str,
        place: str,
        table: SeriesTable,
        zone: tzinfo,
        time_limits: TimeLimits,
        card_notation: CardNotation | None,
    ) -> None:
        spec = http_spec(profile)
        self.device = device
        self.place = place
        self.model = profile.id
        self.spec: HttpProfile = spec
        self._zone = zone
        self._limits = time_limits
        self._notation: CardNotation = card_notation or spec.card_notation
        self._adapter: Adapter | None = ADAPTERS.get(spec.record or "")
        self.answer = self._adapter.answer if self._adapter else PLAIN_ANSWER
        self._seen: OrderedDict[int, None] = OrderedDict()
        self._last_serial: int | None = None
        self._json = None
        if self._adapter is None:
            self._json = bind(
                _as_json_profile(profile, spec),
                device=device,
                place=place,
                address=device,
                table=table,
                zone=zone,
                time_limits=time_limits,
            )

    def events(self, payload: object) -> tuple[list[Event], list[str]]:
        """All that a message tells, by name, and why something in it tells nothing: for people to see.

        Empty for a profile with [[fields]] or of our own record.
        """
        refused: list[str] = []
        found = [] if self._adapter is None else self._adapter.read(payload, self._notation, refused)
        return found, refused

    def decode(
        self, payload: object, received_ms: int, chunk: Chunk, *, trust_device_time: bool = True
    ) -> Outcome:
        """Appends a message's readings to `chunk`; returns what it tells about people and a reason for
        everything that was refused. Never raises, whatever the payload.

        received_ms: the gateway's time, ms UTC. trust_device_time: False while the gateway's own clock
        is not known.
        """
        if self._json is not None:
            return self._json.decode(payload, received_ms, False, chunk, trust_device_time=trust_device_time)
        events, refused = self.events(payload)
        checks: list[CheckObservation] = []
        taps: list[TapObservation] = []
        for event in events:
            self._observe(event, received_ms, checks, taps, refused, trust=trust_device_time)
        if not (checks or taps or refused):
            return NOTHING_REFUSED
        return Outcome(tuple(refused), tuple(checks), tuple(taps))

    def _observe(
        self,
        event: Event,
        received_ms: int,
        checks: list[CheckObservation],
        taps: list[TapObservation],
        refused: list[str],
        *,
        trust: bool,
    ) -> None:
        if self._was_seen(event.key):
            refused.append("duplicate_event")
            return
        refused += event.refused
        self._count_gap(event, refused)
        time_ms = self._time_ms(event, received_ms, refused, trust=trust)
        if time_ms is None:
            refused.append("replayed_without_time")
            return
        told = self._checked(event, time_ms, checks, refused)
        if event.passed:
            taps.append(TapObservation(time_ms, self.device, self.place, event.credential, event.door))
        elif not told and not event.refused:
            refused.append("not_about_a_person" if event.credential is None else "not_let_through")

    def _checked(
        self, event: Event, time_ms: int, checks: list[CheckObservation], refused: list[str]
    ) -> bool:
        """Whether the event has a temperature; one that is none is refused."""
        if event.temperature_c is None:
            return False
        if not TEMPERATURE_C[0] <= event.temperature_c <= TEMPERATURE_C[1]:
            refused.append("temperature_impossible")
            return True
        checks.append(
            CheckObservation(time_ms, self.device, self.place, event.credential, SITE, event.temperature_c)
        )
        return True

    def _was_seen(self, key: Hashable) -> bool:
        """Keeps hashes: what it remembers names nobody."""
        if key is None:
            return False
        known = hash(key)
        if known in self._seen:
            return True
        self._seen[known] = None
        if len(self._seen) > EVENTS_REMEMBERED_MAX:
            self._seen.popitem(last=False)
        return False

    def _count_gap(self, event: Event, refused: list[str]) -> None:
        """A device numbers its events: what is missing between two has not come here."""
        if event.serial is None or event.replayed:
            return
        last, self._last_serial = self._last_serial, event.serial
        if last is not None and event.previous is not None and last < event.previous:
            refused.append("serial_gap")

    def _time_ms(self, event: Event, received_ms: int, refused: list[str], *, trust: bool) -> int | None:
        """The device's time where it is believed, else that of receipt; none for old news of no time."""
        if trust and event.raw_time is not None:
            time_ms = read_time_ms(event.raw_time, "s", self._zone)
            doubt = time_ms if isinstance(time_ms, str) else doubt_time(time_ms, received_ms, self._limits)
            if isinstance(time_ms, int) and doubt is None:
                return time_ms
            refused.append(doubt or "bad_device_time")
        return None if event.replayed else received_ms


def _as_json_profile(profile: Profile, spec: HttpProfile) -> Profile:
    """The rows of a posted message are those of a published one: one reader for both."""
    same = MqttJsonProfile.model_construct(
        transport="mqtt-json",
        name=spec.name,
        vendor=spec.vendor,
        source=spec.source,
        topics=("http/{address}",),
        where=None,
        roots=spec.roots,
        time=spec.time,
        record=spec.record if spec.record == "morning-check-v1" else None,
        fields=spec.fields,
        examples=(),
    )
    return profile._replace(spec=same)


def bind_http(
    profile: Profile,
    *,
    device: str,
    place: str,
    table: SeriesTable,
    zone: tzinfo,
    time_limits: TimeLimits | None = None,
    card_notation: CardNotation | None = None,
) -> HttpDecoder:
    """A profile's decoder for one device.

    device, place: the ids under which its series stand. zone: of device times that name none.
    card_notation: as this device is set, where that is not as the profile says. Raises
    WrongTransportError (a ValueError) for a profile that is not for HTTP.
    """
    return HttpDecoder(
        profile,
        device=device,
        place=place,
        table=table,
        zone=zone,
        time_limits=time_limits or TimeLimits(),
        card_notation=card_notation,
    )


__all__ = ["DecodeError", "HttpDecoder", "bind_http", "parse_body"]
