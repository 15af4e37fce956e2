"""What a gateway's buffer has promised to keep: the ground truth of a balance.

Read from the witness file (hooks.py). A batch counts from the moment it is on the disk. For the
one append that a kill interrupts, the numbers with which the next life opens the buffer tell
whether it had been committed.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from telemetry.batch import FORMAT, Body, Header, Stream, decode_body
from telemetry.fever import find_fever
from telemetry.limits import default_limits
from telemetry.quality import ClockQuality
from telemetry.ranges import RangeSet
from telemetry.records import MorningCheck

StreamName = tuple[Stream, str]
Given = tuple[Stream, int, int, int, str]
"""Stream, readings, records, time base, body as in the witness file."""
Point = tuple[str, str, int, float]
"""Quantity, device, time in ms, value."""
Check = tuple[str, int, float]
"""Device, time in ms, temperature."""


@dataclass
class Ledger:
    """One gateway's promises. `settled_after_kill` counts appends that were committed, but not yet
    told when the kill came; `lost_before_disk` those that were not committed.
    """

    batches: dict[StreamName, dict[int, Given]] = field(default_factory=dict)
    lives: int = 0
    settled_after_kill: int = 0
    lost_before_disk: int = 0
    generations: set[str] = field(default_factory=set)

    @classmethod
    def read(cls, witness: Path) -> Ledger:
        """Fails where numbers were given twice or left out."""
        ledger = cls()
        open_append: list[Given] = []
        for line in witness.read_bytes().split(b"\n") if witness.exists() else ():
            try:
                entry: dict[str, Any] = json.loads(line)
            except ValueError:
                continue  # empty, or torn by a kill before the buffer was asked
            if "opened" in entry:
                ledger._open(entry["opened"], entry["last"], open_append)
                open_append = []
            elif "given" in entry:
                assert not open_append, "an append began before the one before it ended"
                open_append = [(*one,) for one in entry["given"]]
            elif "promised" in entry:
                for (stream, generation, sequence), given in zip(entry["promised"], open_append, strict=True):
                    ledger._add((stream, generation), sequence, given)
                open_append = []
            else:
                open_append = []
        return ledger

    def _open(self, generation: str, last: dict[Stream, int], interrupted: list[Given]) -> None:
        self.lives += 1
        self.generations.add(generation)
        before = {stream: self.last((stream, generation)) for stream in last}
        if interrupted and before == last:
            self.lost_before_disk += 1
        elif interrupted:
            self.settled_after_kill += 1
            for given in interrupted:
                name = (given[0], generation)
                self._add(name, self.last(name) + 1, given)
        after = {stream: self.last((stream, generation)) for stream in last}
        assert after == last, f"the buffer opens with {last}, promised were {after}"

    def _add(self, name: StreamName, sequence: int, given: Given) -> None:
        assert sequence == self.last(name) + 1, f"number {sequence} of {name} after {self.last(name)}"
        assert given[0] == name[0]
        self.batches.setdefault(name, {})[sequence] = given

    def last(self, name: StreamName) -> int:
        """The highest number of a stream; 0 when it has none."""
        return len(self.batches.get(name, {}))

    @property
    def count(self) -> int:
        return sum(map(len, self.batches.values()))

    def ranges(self) -> dict[StreamName, list[tuple[int, int]]]:
        """What a collector that has everything says it has."""
        return {name: list(RangeSet([(1, len(batches))])) for name, batches in self.batches.items()}

    def points(self) -> Counter[Point]:
        return Counter(
            (one.series.quantity, one.series.device, one.time_ms, one.value)
            for body in self._bodies()
            for one in body.readings()
        )

    def checks(self) -> Counter[Check]:
        return Counter((one.device, one.time_ms, one.temperature_c) for one in self._records())

    def fevers(self) -> Counter[Check]:
        limits = default_limits()
        found = (one for one in self._records() if find_fever(one, limits) is not None)
        return Counter((one.device, one.time_ms, one.temperature_c) for one in found)

    def _records(self) -> list[MorningCheck]:
        return [one for body in self._bodies() for one in body.records if isinstance(one, MorningCheck)]

    def _bodies(self) -> list[Body]:
        return [_decode(given) for batches in self.batches.values() for given in batches.values()]


def _decode(given: Given) -> Body:
    stream, readings, records, base_ms, body = given
    header = Header(
        FORMAT, "s", "g", stream, "0", 1, base_ms, ClockQuality.SYNCED, "b", "p", readings, records
    )
    return decode_body(header, base64.b85decode(body))
