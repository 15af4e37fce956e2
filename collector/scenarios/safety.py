"""Safety: smoke, gas and panic, which travel as safety events and as urgent readings.

The collector shows what a detector says; it never replaces a certified fire or intruder panel.
"""

from __future__ import annotations

from collections.abc import Iterator

from collector.scenarios.contract import Finding
from telemetry.batch import Body
from telemetry.quantities import QUANTITIES
from telemetry.records import SafetyEvent


class SafetyRule:
    """Every safety event; and a reading 1 of a quantity that is marked as urgent in the table of
    quantities, unless a safety event of the batch says the same of that device and time.
    """

    def findings(self, body: Body) -> Iterator[Finding]:
        events = [
            (position, record)
            for position, record in enumerate(body.records)
            if isinstance(record, SafetyEvent)
        ]
        said = {(event.device, event.danger, event.time_ms) for _, event in events}
        for position, event in events:
            yield Finding(
                kind=event.danger,
                cause=f"record:{position}",
                device=event.device,
                place=event.place,
                at_ms=event.time_ms,
                value=1.0,
                unit=QUANTITIES[event.danger].unit,
                pseudonym=event.pseudonym,
                class_id=event.class_id,
                record_type="safety_event",
            )
        for finding in _in_readings(body):
            if (finding.device, finding.kind, finding.at_ms) not in said:
                yield finding


def _in_readings(body: Body) -> Iterator[Finding]:
    at = 0
    for key, count in zip(body.series, body.counts, strict=True):
        quantity = QUANTITIES.get(key.quantity)
        if quantity is not None and quantity.urgent:
            for row in range(at, at + count):
                if body.value[row] == 1:
                    yield Finding(
                        kind=key.quantity,
                        cause=f"reading:{row}",
                        device=key.device,
                        place=key.place,
                        at_ms=body.time_ms[row],
                        value=1.0,
                        unit=quantity.unit,
                    )
        at += count
