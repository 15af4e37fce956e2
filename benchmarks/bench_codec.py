"""The batch codec: bytes a reading and µs a reading, beside JSON rows written by msgspec.

500 readings of 40 sensors and other sizes, of random walks like a school's: temperature, humidity,
CO₂, light and a door contact per five sensors, time stamps with jitter. Run by hand:
``python benchmarks/bench_codec.py``.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec
import zstandard

from collector.intake.decoding import decode_columns
from telemetry.batch import FORMAT, Header, decode_payload, encode_payload
from telemetry.batch_builder import BatchBuilder
from telemetry.quality import ClockQuality
from telemetry.readings import Chunk, SeriesKey, SeriesTable

SENSORS: Final = 40
PERIOD_MS: Final = 1_000
BATCH_SIZES: Final = (10, 50, 500, 5_000)
BASE_MS: Final = 1_767_225_600_000
MEASURE_S: Final = 0.4


class Walk(NamedTuple):
    """How a quantity moves: where it starts, its largest step, its resolution as decimal digits."""

    quantity: str
    start: float
    step: float
    digits: int


WALKS: Final = (
    Walk("temperature", 21.5, 0.04, 2),
    Walk("relative_humidity", 45.0, 0.15, 1),
    Walk("co2", 650.0, 6.0, 0),
    Walk("illuminance", 320.0, 12.0, 0),
    Walk("open", 0.0, 0.0, 0),
)


class Row(msgspec.Struct):
    """One reading as JSON systems send it."""

    device: str
    quantity: str
    place: str
    ts: int
    value: float


def school(readings: int, table: SeriesTable) -> Chunk:
    """A chunk in the order of arrival: sensor after sensor, round after round."""
    random.seed(7)
    sensors = [
        (table.index(SeriesKey(walk.quantity, f"sensor-{at:02}", f"1/{100 + at // 5}")), walk)
        for at in range(SENSORS)
        for walk in [WALKS[at % len(WALKS)]]
    ]
    values = [walk.start + random.gauss(0, 10 * walk.step) for _, walk in sensors]
    chunk = Chunk()
    for at in range(readings):
        turn, sensor = divmod(at, SENSORS)
        series, walk = sensors[sensor]
        values[sensor] += random.uniform(-walk.step, walk.step)
        when = BASE_MS + turn * PERIOD_MS + sensor * 7 + random.randrange(4)
        chunk.append(series, when, round(values[sensor], walk.digits))
    return chunk


def us_each(work: Callable[[], object], readings: int) -> float:
    """CPU µs a reading, the best of repeated runs."""
    best, end = float("inf"), time.perf_counter() + MEASURE_S
    while time.perf_counter() < end:
        start = time.process_time_ns()
        work()
        best = min(best, time.process_time_ns() - start)
    return best / 1_000 / readings


def measure(readings: int) -> dict[str, dict[str, float]]:
    """Figures of the batch and of JSON rows for one batch size."""
    table = SeriesTable()
    chunk = school(readings, table)
    header = Header(
        FORMAT, "example-primary", "gw-1", "bulk", "5f3a7c", 1_000, BASE_MS,
        ClockQuality.SYNCED, "b00c1e", "policy-7", readings, 0,
    )  # fmt: skip
    builder = BatchBuilder(table)

    def encode() -> bytes:
        builder.add(chunk)
        return encode_payload(header, builder.close(BASE_MS))

    payload = encode()

    def decode() -> object:
        got, body = decode_payload(payload)
        return decode_columns(got, body)

    rows = [
        Row(
            reading.series.device,
            reading.series.quantity,
            reading.series.place,
            reading.time_ms,
            reading.value,
        )
        for reading in chunk.readings(table)
    ]
    to_json, from_json = msgspec.json.Encoder().encode, msgspec.json.Decoder(list[Row]).decode
    compressor, decompressor = zstandard.ZstdCompressor(level=3), zstandard.ZstdDecompressor()
    plain = to_json(rows)
    text = compressor.compress(plain)
    return {
        "batch": {
            "bytes_per_reading": len(payload) / readings,
            "encode_us": us_each(encode, readings),
            "decode_us": us_each(decode, readings),
        },
        "json rows, zstd": {
            "bytes_per_reading": len(text) / readings,
            "encode_us": us_each(lambda: compressor.compress(to_json(rows)), readings),
            "decode_us": us_each(lambda: from_json(decompressor.decompress(text)), readings),
        },
        "json rows": {
            "bytes_per_reading": len(plain) / readings,
            "encode_us": us_each(lambda: to_json(rows), readings),
            "decode_us": us_each(lambda: from_json(plain), readings),
        },
    }


def main() -> None:
    print(f"{'readings':>8}  {'encoding':<16} {'bytes':>7} {'enc µs':>8} {'dec µs':>8}   (each a reading)")
    for readings in BATCH_SIZES:
        for name, row in measure(readings).items():
            print(
                f"{readings:>8}  {name:<16} {row['bytes_per_reading']:>7.2f}"
                f" {row['encode_us']:>8.3f} {row['decode_us']:>8.3f}"
            )


if __name__ == "__main__":
    main()
