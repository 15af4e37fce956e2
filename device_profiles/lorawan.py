"""Turns uplinks of a LoRaWAN device, as a network server publishes them, into readings. Pure: no I/O.

Read are the events of ChirpStack v4 (https://www.chirpstack.io/docs/chirpstack/integrations/events.html)
and of The Things Stack v3 (https://www.thethingsindustries.com/docs/integrations/other-integrations/mqtt/).
"""

from __future__ import annotations

import binascii
from collections.abc import Collection, Sequence
from datetime import UTC
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from device_profiles.bytes_decoder import PayloadDecoder
from device_profiles.lorawan_schema import UplinkRows
from device_profiles.observations import NOTHING_REFUSED, Outcome
from device_profiles.paths import ABSENT, walk
from device_profiles.payloads import Context
from device_profiles.registry import Profile, lorawan_spec
from device_profiles.schema import ADDRESS, check_filter
from device_profiles.times import TimeLimits, device_time
from telemetry.quality import Quality
from telemetry.readings import SeriesKey

if TYPE_CHECKING:
    from telemetry.readings import Chunk, SeriesTable

TOPICS: Final = ("application/+/device/{address}/event/up", "v3/+/devices/+/up")


class _Server(NamedTuple):
    """Where a network server puts things."""

    data: tuple[str, ...]
    port: tuple[str, ...]
    eui: tuple[str, ...]
    time: tuple[str, ...]


_SERVERS: Final = (
    _Server(("data",), ("fPort",), ("deviceInfo", "devEui"), ("time",)),
    _Server(
        ("uplink_message", "frm_payload"),
        ("uplink_message", "f_port"),
        ("end_device_ids", "dev_eui"),
        ("uplink_message", "received_at"),
    ),
)


class Uplink(NamedTuple):
    """The device's own bytes, and the port they came on (0 where nobody says)."""

    data: bytes
    port: int


class LorawanDecoder:
    """Reads one device. `address` is its DevEUI, 16 hexadecimal digits in lower case."""

    encoding: Final = "json"

    def __init__(
        self,
        profile: Profile,
        *,
        device: str,
        place: str,
        address: str,
        topics: tuple[str, ...],
        table: SeriesTable,
        only: Collection[str] | None,
        time_limits: TimeLimits,
    ) -> None:
        self.spec = lorawan_spec(profile)
        self.device = device
        self.place = place
        self.model = profile.id
        self.address = address
        self.topics = topics
        self._limits = time_limits
        self._uplinks: list[tuple[UplinkRows, PayloadDecoder]] = [
            (rows, PayloadDecoder(rows, device=device, place=place, model=profile.id, table=table, only=only))
            for rows in self.spec.uplinks
        ]

        self._events = frozenset(
            table.index(SeriesKey(row.quantity, device, place, profile.id))
            for rows in self.spec.uplinks
            for row in rows.fields
            if row.event
        )

    @property
    def gives_checks(self) -> bool:
        return False

    def accepts(self, payload: object) -> bool:
        """Whether an event is about this device; one that does not say is, its topic was."""
        for server in _SERVERS:
            eui = walk(payload, server.eui)
            if isinstance(eui, str):
                return eui.lower() == self.address
        return True

    def decode(
        self,
        payload: object,
        received_ms: int,
        retained: bool,  # noqa: FBT001  # as DeviceDecoder.decode
        chunk: Chunk,
        *,
        trust_device_time: bool = True,
    ) -> Outcome:
        """Appends an event's readings to `chunk`. Never raises, whatever the payload."""
        for server in _SERVERS:
            text = walk(payload, server.data)
            if isinstance(text, str):
                break
        else:
            return Outcome(("no_uplink",))
        try:
            data = binascii.a2b_base64(text, strict_mode=True)
        except ValueError:
            return Outcome(("not_base64",))
        port = walk(payload, server.port)
        refused: list[str] = []
        time_ms = received_ms
        told = walk(payload, server.time)
        if trust_device_time and told is not ABSENT and told is not None:
            time_ms, doubt = device_time(told, None, UTC, received_ms, self._limits)
            if doubt is not None:
                refused.append(doubt)
        before = len(chunk)
        refused += self.decode_uplink(Uplink(data, port if type(port) is int else 0), time_ms, chunk)
        if retained:
            refused += self._drop_events(chunk, before)
        if received_ms - time_ms > self._limits.stale_after_ms:
            _doubt(chunk, before, Quality.STALE)
        elif retained and time_ms == received_ms:
            _doubt(chunk, before, Quality.UNCERTAIN)
        return Outcome(tuple(refused)) if refused else NOTHING_REFUSED

    def _drop_events(self, chunk: Chunk, before: int) -> list[str]:
        """A retained press is an old one: no alarm."""
        found = [at for at in range(before, len(chunk)) if chunk.series[at] in self._events]
        refused = ["retained_event" for at in found if chunk.value[at] == 1]
        for at in reversed(found):
            for column in (chunk.series, chunk.time_ms, chunk.value, chunk.quality):
                del column[at]
        return refused

    def decode_uplink(
        self, uplink: Uplink, time_ms: int, chunk: Chunk, *, warming_up: bool = False
    ) -> tuple[str, ...]:
        """Appends an uplink's readings to `chunk`; returns a reason for everything refused."""
        decoder = self.decoder_for(uplink)
        if decoder is None:
            return ("unknown_packet",)
        return decoder.decode(
            uplink.data, time_ms, chunk, context=Context(port=uplink.port), warming_up=warming_up
        )

    def decoder_for(self, uplink: Uplink) -> PayloadDecoder | None:
        """The decoder of an uplink, or None where it is of no known kind."""
        for rows, decoder in self._uplinks:
            fits_port = not uplink.port or not rows.ports or uplink.port in rows.ports
            if fits_port and decoder.matches(uplink.data):
                return decoder
        return None


def _doubt(chunk: Chunk, before: int, quality: Quality) -> None:
    """Marks the readings since `before`; one out of range stays marked so."""
    for at in range(before, len(chunk)):
        if chunk.quality[at] != Quality.OUT_OF_RANGE:
            chunk.quality[at] = int(quality)


def find_uplink(payload: Any) -> Uplink | None:
    """The uplink in a network server's event, or None where there is none."""
    for server in _SERVERS:
        text = walk(payload, server.data)
        if isinstance(text, str):
            port = walk(payload, server.port)
            try:
                return Uplink(binascii.a2b_base64(text, strict_mode=True), port if type(port) is int else 0)
            except ValueError:
                return None
    return None


def bind_lorawan(
    profile: Profile,
    *,
    device: str,
    place: str,
    address: str,
    table: SeriesTable,
    topics: Sequence[str] = (),
    only: Collection[str] | None = None,
    time_limits: TimeLimits | None = None,
) -> LorawanDecoder:
    """A profile's decoder for one device.

    device, place: the ids under which its series stand. address: its DevEUI. topics: filters instead
    of those of ChirpStack and The Things Stack. Raises ValueError for an address or topic that cannot
    be, and for a profile of another transport.
    """
    lorawan_spec(profile)
    eui = address.lower().replace("-", "").replace(":", "")
    if len(eui) != 16 or any(digit not in "0123456789abcdef" for digit in eui):
        raise ValueError(f"address {address!r} is no DevEUI; expected 16 hexadecimal digits")
    filters = tuple(topic.replace(ADDRESS, eui) for topic in topics or TOPICS)
    for topic in filters:
        check_filter(topic)
    return LorawanDecoder(
        profile,
        device=device,
        place=place,
        address=eui,
        topics=filters,
        table=table,
        only=only,
        time_limits=time_limits or TimeLimits(),
    )
