"""Safety: smoke, gas and panic, which travel as urgent readings.

The collector shows what a detector says; it never replaces a certified fire or intruder panel.
"""

from __future__ import annotations

from collections.abc import Iterator

from collector.scenarios.contract import Finding
from telemetry.batch import Body
from telemetry.quantities import QUANTITIES


class SafetyRule:
    """A reading 1 of a quantity that is marked as urgent in the table of quantities."""

    def findings(self, body: Body) -> Iterator[Finding]:
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
