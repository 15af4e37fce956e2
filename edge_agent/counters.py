"""What the gateway counts, as plain integers on the hot path."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Final

NOBODY: Final = ("unknown", "removed")
"""Stand for devices that are not, or no longer, configured."""
DRIVER_FAILED: Final = "driver_failed"
"""The reason under which a status counts failures of drivers."""


@dataclass(slots=True)
class DeviceCounters:
    """How a device has fared since the start.

    polls: times it was asked, if it must be; timeouts, garbled: of these without an answer, or with one that
    cannot be believed. exceptions: answers that refuse. missed: polls left out because the bus had
    no time. quarantines: times it was given up for a while. worn: by a person, so that nothing is told of when
    it was heard. silent: it is given up now, or has said nothing
    for too long. last_seen_ms: its last sign of life. turns: connections it was given, where there are
    not enough for all; gap_s: how long it waited for the last one (for the first: will wait, at most).
    """

    polls: int = 0
    timeouts: int = 0
    garbled: int = 0
    exceptions: int = 0
    missed: int = 0
    quarantines: int = 0
    worn: bool = False
    silent: bool = False
    last_seen_ms: int | None = None
    turns: int = 0
    gap_s: float = 0.0


@dataclass(slots=True)
class DriverCounters:
    """How a driver has fared since the start. failures: times that it ended although it should have gone on.
    failing: it has, and has not worked for long enough since. error, where: kind and place of its last fault.
    """

    failures: int = 0
    failing: bool = False
    error: str = ""
    where: str = ""


class Counters:
    """Totals since the start. `dropped` counts readings and observations that went no further, by
    reason; `refused_messages` counts input that gave nothing, by device and reason.
    """

    def __init__(self) -> None:
        self.messages_in = 0
        self.readings_in = 0
        self.checks_in = 0
        self.thinned = 0
        """Readings left out because a rule of reporting says so."""
        self.readings_buffered = 0
        self.records_buffered = 0
        self.readings_stored = 0
        self.records_stored = 0
        self.batches_sent = 0
        self.batches_unanswered = 0
        self.acks_refused = 0
        self.posts = 0
        self.post_failures: Counter[str] = Counter()
        """Posts to the collector that were answered, and in vain, by reason."""
        self.certificate_ends_s = 0.0
        """Unix time until which the certificate is good; 0: there is none, or nobody has looked yet."""
        self.certificate_renewals = 0
        self.certificate_failures: Counter[str] = Counter()
        """Times a new one was asked for in vain, by reason."""
        self.local_alarms = 0
        self.disk_full = 0
        self.radio_resets = 0
        self.map_version = 0
        """Of the credential map in use; 0: there is none."""
        self.map_issued_ms = 0
        self.map_refreshes = 0
        self.map_failures: Counter[str] = Counter()
        """Times the vault was asked in vain, by reason."""
        self.configuration_version = 0
        """Of the collector's that is in use; 0: gateway.toml alone."""
        self.configuration_offers: Counter[str] = Counter()
        """Offers from the collector, by what became of them."""
        self.records_erased = 0
        """Records taken out of the buffer because somebody has to be forgotten."""
        self.bands_unknown = 0
        """Advertisements of bands that nobody on the credential map wears."""
        self.dropped: Counter[str] = Counter()
        self.refused: Counter[tuple[str, str]] = Counter()
        self.devices: dict[str, DeviceCounters] = {}
        """Of every configured device, by id."""
        self.drivers: dict[str, DriverCounters] = {}
        """Of every driver, by its source's name."""

    def forget_devices(self, kept: Container[str]) -> None:
        """Drops the figures of devices that are not configured any more. What was refused of theirs stays in
        the totals, under the device "removed".
        """
        for device in [one for one in self.devices if one not in kept]:
            del self.devices[device]
        for device, reason in [one for one in self.refused if one[0] not in kept and one[0] not in NOBODY]:
            self.refused["removed", reason] += self.refused.pop((device, reason))

    def forget_driver(self, name: str) -> None:
        """Drops the figures of a driver that does not run any more; its failures stay, under "removed"."""
        gone = self.drivers.pop(name, None)
        if gone is not None and gone.failures:
            self.drivers.setdefault("removed", DriverCounters()).failures += gone.failures

    def drops(self, given_up: Mapping[str, int]) -> dict[str, int]:
        """Everything that went no further, by reason, with what the buffer gave up and how often drivers
        failed: for the status.
        """
        total = Counter(self.dropped)
        for (_, reason), count in self.refused.items():
            total[reason] += count
        total.update(given_up)
        if failures := sum(one.failures for one in self.drivers.values()):
            total[DRIVER_FAILED] = failures
        return dict(total)
