"""Turns the frames of a board on a serial line into readings, as its profile says. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, NamedTuple, cast

from device_profiles.bytes_decoder import PayloadDecoder
from device_profiles.named_people import make_check, make_tap
from device_profiles.observations import NOTHING_REFUSED, CheckObservation, Outcome, TapObservation
from device_profiles.registry import Profile, serial_spec
from device_profiles.serial_schema import SerialProfile
from firmware_bridges.frames import REQUESTS, Frame
from telemetry.readings import Chunk, SeriesTable

ADDRESS = "meter_address"
"""Under this name a framing with addresses tells whose frame it is."""
REQUEST = "request"
"""A frame with this value is a question, heard on the line or given back by an adapter."""


AGE_MS_MAX: Final = 86_400_000
"""A board keeps what could not be handed over for a day at most."""


class Request(NamedTuple):
    """Bytes to be sent each `interval_s`."""

    data: bytes
    interval_s: float


class SerialDecoder:
    """Reads one board. `address` is its own on a line with several, else empty."""

    def __init__(
        self,
        profile: Profile,
        *,
        device: str,
        place: str,
        address: str,
        table: SeriesTable,
        only: Collection[str] | None,
    ) -> None:
        self.spec: SerialProfile = serial_spec(profile)
        self.device = device
        self.place = place
        self.model = profile.id
        self.address = address
        self._payloads = [
            PayloadDecoder(rows, device=device, place=place, model=profile.id, table=table, only=only)
            for rows in self.spec.payloads
        ]

    @property
    def requests(self) -> tuple[Request, ...]:
        """What the board must be asked, in order. Raises ValueError for an address that is none."""
        found = []
        for poll in self.spec.polls:
            if poll.request is not None:
                data = bytes.fromhex(poll.request)
            else:
                data = REQUESTS[self.spec.frame](self.address, cast("str", poll.identifier))
            found.append(Request(data, poll.interval_s))
        return tuple(found)

    def accepts(self, frame: Frame) -> bool:
        """Whether a frame on a shared line is this board's."""
        told = frame.values.get(ADDRESS)
        return not self.address or told is None or told.value == self.address.zfill(12)

    def decode(self, frame: Frame, received_ms: int, chunk: Chunk, *, warming_up: bool = False) -> Outcome:
        """Appends a frame's readings to `chunk`. Never raises."""
        if REQUEST in frame.values:
            return Outcome((REQUEST,))
        refused: list[str] = []
        checks: tuple[CheckObservation, ...] = ()
        taps: tuple[TapObservation, ...] = ()
        spec = self.spec
        known = False
        time_ms = self._happened_ms(frame, received_ms, refused)
        if spec.check is not None and spec.check.temperature in frame.values:
            known = True
            check = make_check(spec.check, frame.values, self.device, self.place, time_ms, refused)
            checks = () if check is None else (check,)
        elif spec.card is not None and spec.card.key in frame.values:
            known = True
            tap = make_tap(spec.card, frame.values, self.device, self.place, time_ms, refused)
            taps = () if tap is None else (tap,)
        for decoder in self._payloads:
            if decoder.matches(frame.payload):
                known = True
                refused += decoder.decode(
                    frame.payload, time_ms, chunk, values=frame.values, warming_up=warming_up
                )
                break
        if not known:
            refused.append("unknown_packet")
        return Outcome(tuple(refused), checks, taps) if refused or checks or taps else NOTHING_REFUSED

    def _happened_ms(self, frame: Frame, received_ms: int, refused: list[str]) -> int:
        """When what a frame tells happened: a board may have kept it while its cable was out."""
        told = frame.values.get(self.spec.age or "")
        if told is None or told.value is None:
            return received_ms
        if type(told.value) is int and 0 <= told.value <= AGE_MS_MAX:
            return received_ms - told.value
        refused.append("bad_device_time")
        return received_ms

    def decoder_for(self, frame: Frame) -> PayloadDecoder | None:
        """The decoder of a frame's payload, for people to look at."""
        return next((one for one in self._payloads if one.matches(frame.payload)), None)


def bind_serial(
    profile: Profile,
    *,
    device: str,
    place: str,
    table: SeriesTable,
    address: str = "",
    only: Collection[str] | None = None,
) -> SerialDecoder:
    """A profile's decoder for one board.

    device, place: the ids under which its series stand. address: its own, on a line with several.
    only: the quantities this board is fitted with, where a profile knows more. Raises
    WrongTransportError (a ValueError) for a profile that is not for serial boards, and ValueError
    for a quantity that it does not give or an address that it cannot have.
    """
    spec = serial_spec(profile)
    unknown = set(only or ()) - {row.quantity for row in spec.fields}
    if unknown:
        raise ValueError(f"profile {profile.id} does not give {', '.join(sorted(unknown))}")
    if address and not spec.is_addressed:
        raise ValueError(f"profile {profile.id} is of a board without an address")
    decoder = SerialDecoder(profile, device=device, place=place, address=address, table=table, only=only)
    if spec.is_addressed and address:
        _ = decoder.requests
    return decoder
