"""Turns Sparkplug B messages of a device into readings: each metric at its own time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from device_profiles.decoder import DeviceDecoder
from device_profiles.observations import NOTHING_REFUSED, Outcome
from device_profiles.sparkplug import Births, SparkplugPayload

if TYPE_CHECKING:
    from device_profiles.registry import Profile
    from telemetry.named import Named
    from telemetry.readings import Chunk


class SparkplugDecoder(DeviceDecoder):
    """Reads one device, and remembers what it has declared. `shown`: every metric of the last message,
    for people to look at.
    """

    def __init__(self, profile: Profile, **binding: Any) -> None:
        super().__init__(profile, **binding)
        self._births = Births()
        self.shown: dict[str, Named] = {}

    def decode(
        self,
        payload: object,
        received_ms: int,
        retained: bool,  # noqa: FBT001  # as DeviceDecoder.decode
        chunk: Chunk,
        *,
        trust_device_time: bool = True,
    ) -> Outcome:
        """As `DeviceDecoder.decode`, of what `parse_sparkplug` gives. Never raises."""
        if not isinstance(payload, SparkplugPayload):
            return Outcome(("not_sparkplug",))
        moments, self.shown, refused = self._births.resolve(payload)
        before = len(chunk)
        unknown = not moments
        for moment in moments:
            outcome = super().decode(
                {"timestamp": moment.time_ms, "metrics": moment.values},
                received_ms,
                retained,
                chunk,
                trust_device_time=trust_device_time,
            )
            refused += [reason for reason in outcome.refused if reason != "no_known_field"]
            unknown = unknown or "no_known_field" in outcome.refused
        if unknown and len(chunk) == before and not refused:
            refused.append("no_known_field")
        return Outcome(tuple(refused)) if refused else NOTHING_REFUSED
