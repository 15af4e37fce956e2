"""Refused series are found among the others, with a bounded number of requests."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from collector.series.contract import BatchKey, SeriesBatch
from collector.series.server_wire import RefusedError
from collector.series.sorting import TRIES_MAX, count_refused
from telemetry.batch import Body
from telemetry.readings import SeriesKey


class Picky:
    """Takes a part only where it holds none of some devices."""

    def __init__(self, refused: set[str]) -> None:
        self.refused = refused
        self.taken: dict[str, list[float]] = {}
        self.requests = 0

    async def write(self, part: SeriesBatch) -> None:
        self.requests += 1
        body = part.body
        if self.refused & {key.device for key in body.series}:
            raise RefusedError("refused with 400")
        at = 0
        for key, count in zip(body.series, body.counts, strict=True):
            self.taken[key.device] = list(body.value[at : at + count])
            at += count


def batch_of(counts: list[int]) -> SeriesBatch:
    keys = [SeriesKey("co2", f"d{number}", "main/1") for number in range(len(counts))]
    values = [float(number) for number, count in enumerate(counts) for _ in range(count)]
    body = Body(keys, counts, list(range(len(values))), values, [0] * len(values), [])
    return SeriesBatch(BatchKey("s", "g", "bulk", "x", 1), 0, body)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=20), st.data())
async def test_everything_else_is_written(counts: list[int], data: st.DataObject) -> None:
    bad = data.draw(st.sets(st.integers(0, len(counts) - 1)))
    picky = Picky({f"d{number}" for number in bad})
    assert await count_refused(batch_of(counts), picky.write) == sum(counts[number] for number in bad)
    assert picky.taken == {
        f"d{number}": [float(number)] * count for number, count in enumerate(counts) if number not in bad
    }


async def test_a_batch_that_is_refused_all_over_is_given_up() -> None:
    batch = batch_of([2] * 1_000)
    picky = Picky({key.device for key in batch.body.series})
    assert await count_refused(batch, picky.write) == 2_000
    assert picky.requests == TRIES_MAX
