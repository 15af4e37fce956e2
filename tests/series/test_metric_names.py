"""Names of metrics and labels: one for each quantity, back again unchanged, and nobody's name in them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.series.blocks import TimeBounds, encode
from collector.series.contract import BatchKey, SeriesBatch
from collector.series.line_protocol import InfluxHead, VictoriaHead, line_ends, number_of
from collector.series.memory_index import Origin, SeriesName
from collector.series.metric_names import (
    LABELS,
    METRICS,
    SUFFIXES,
    UNIT_SUFFIXES,
    UnnamedQuantityError,
    labels_of,
    metric_of,
    name_of,
    split_suffix,
)
from collector.series.metrics_page import metrics_page
from collector.series.server_index import ServerIndex, id_of
from telemetry.batch import Body
from telemetry.quantities import QUANTITIES, Lane
from telemetry.readings import SeriesKey
from telemetry.records import MorningCheck

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
T0 = 1_577_836_800_000
BOUNDS = TimeBounds(T0, T0 + 10_000)
# What the intake lets through: anything but control characters (and halves of a pair).
texts = st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=12)


def test_every_quantity_of_rooms_and_machines_has_a_metric_of_its_own() -> None:
    assert set(METRICS) == {name for name, row in QUANTITIES.items() if row.lane is Lane.AMBIENT}
    names = [metric + suffix for metric in METRICS.values() for suffix in ("", *SUFFIXES)]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"environment_[a-z0-9_]*[a-z0-9]", name) for name in names)
    # VictoriaMetrics' names are made of two halves, which must be there.
    assert all(name.rpartition("_")[0] for name in METRICS.values())
    assert METRICS["co2"] == "environment_co2_ppm"


def test_every_unit_has_a_suffix_and_no_suffix_is_of_no_unit() -> None:
    assert set(UNIT_SUFFIXES) == {row.ucum for row in QUANTITIES.values() if row.lane is Lane.AMBIENT}
    suffixes = [suffix for suffix in UNIT_SUFFIXES.values() if suffix]
    assert len(set(suffixes)) == len(suffixes)


def test_a_companion_is_told_from_a_metric() -> None:
    for metric in METRICS.values():
        assert split_suffix(metric) == (metric, "")
        for suffix in SUFFIXES:
            assert split_suffix(metric + suffix) == (metric, suffix)


@given(device=texts, place=texts, model=texts, halves=st.tuples(texts, texts) | st.none())
def test_labels_give_the_series_back(
    device: str, place: str, model: str, halves: tuple[str, str] | None
) -> None:
    key = SeriesKey("co2", device, "/".join(halves) if halves else place, model)
    name = SeriesName(Origin("example-primary", "gw-1"), key)
    labels = labels_of(name)
    assert set(labels) <= set(LABELS)
    assert all(text and text == text.strip() and "\\" not in text for text in labels.values())
    assert name_of(metric_of("co2"), labels) == name


def test_labels_of_somebody_else_are_left_alone() -> None:
    assert name_of("environment_co2_ppm", {"room": "301"}) is None
    assert name_of("node_cpu_seconds_total", {"school": "s", "gateway": "g"}) is None
    assert name_of("environment_co2_ppm", {"school": "s", "gateway": "g", "room": "%zz"}) is None


def test_the_id_of_a_series_stays_what_it_is() -> None:
    name = SeriesName(Origin("example-primary", "gw-1"), SeriesKey("co2", "air-301", "main/301"))
    assert id_of(name) == 2_085_956_433_375_039
    assert all(id_of(SeriesName(Origin("s", "g"), SeriesKey("co2", str(n), ""))) < 2**52 for n in range(99))


def test_the_page_is_what_the_code_says() -> None:
    assert PAGE.read_text("utf-8") == metrics_page(), "run: campus collector metrics > docs/metrics.md"


def make_batch(
    key: SeriesKey, values: list[float], times: list[int], **body: list[MorningCheck]
) -> SeriesBatch:
    columns = Body([key], [len(values)], times, values, [0] * len(values), list(body.get("records", [])))
    return SeriesBatch(BatchKey("example-primary", "gw-1", "bulk", "a", 1), 0, columns)


@pytest.mark.parametrize("head", [VictoriaHead, InfluxHead])
def test_nothing_of_the_personal_lane_reaches_a_line(head: type[VictoriaHead | InfluxHead]) -> None:
    personal = [name for name, row in QUANTITIES.items() if row.lane is Lane.PERSONAL]
    assert len(personal) > 10
    for quantity in personal:
        with pytest.raises(UnnamedQuantityError):
            metric_of(quantity)
        batch = make_batch(SeriesKey(quantity, "band-7", "gym"), [70.0], [T0])
        encoded = encode(ServerIndex(head), [batch], BOUNDS)
        assert (encoded.blocks, list(encoded.refused)) == ([], [batch.key])
        assert "70" not in encoded.refused[batch.key]
    check = MorningCheck(
        time_ms=T0, device="station-gate", place="gate/east", site="forehead", temperature_c=38.2,
        pseudonym="7K3M9PXA2QH5RT8WZ4CB6DFG1E", class_id="3-2",
    )  # fmt: skip
    batch = make_batch(SeriesKey("co2", "air-301", "main/301"), [612.0], [T0], records=[check])
    [block] = encode(ServerIndex(head), [batch], BOUNDS).blocks
    assert b"7K3M" not in block.lines
    assert b"38.2" not in block.lines
    assert block.lines.count(b"\n") == 1


def lines(
    head: VictoriaHead | InfluxHead, times: list[int], values: list[float], qualities: list[int], clock: int
) -> str:
    return b"".join(head.parts(line_ends(times), values, qualities, clock)).decode()


def test_a_line_is_what_each_server_reads() -> None:
    name = SeriesName(Origin("example-primary", "gw-1"), SeriesKey("co2", "air 3,1", "main/301"))
    tags = r"school=example-primary,gateway=gw-1,building=main,room=301,device=air\ 3\,1"
    assert lines(VictoriaHead(name), [T0, T0 + 1], [612.0, 0.5], [0, 3], 2) == (
        f"environment_co2,{tags} ppm=612.0,ppm_clock_quality=2 {T0}\n"
        f"environment_co2,{tags} ppm=0.5,ppm_reading_quality=3,ppm_clock_quality=2 {T0 + 1}\n"
    )
    assert lines(InfluxHead(name), [T0], [612.0], [1], 0) == (
        f"environment_co2_ppm,{tags} value=612.0,reading_quality=1 {T0}\n"
    )


@given(value=st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_survives_as_its_bits(value: float) -> None:
    name = SeriesName(Origin("s", "g"), SeriesKey("co2", "d", ""))
    line = lines(VictoriaHead(name), [T0], [value], [0], 0)
    bits = re.search(r" ppm_bits_high=(\d+),ppm_bits_low=(\d+) ", line)
    if bits is None:
        assert value == 0 or 1e-9 <= abs(value) < 1e9
        found = re.search(r" ppm=(\S+) ", line)
        assert found
        assert float(found[1]) == value
    else:
        assert number_of(int(bits[1]), int(bits[2])) == value


def test_times_that_the_server_does_not_keep() -> None:
    key = SeriesKey("co2", "air-301", "main/301")
    encoded = encode(
        ServerIndex(VictoriaHead), [make_batch(key, [1.0, 2.0, 3.0], [T0 + 5, T0 - 1, T0 - 2])], BOUNDS
    )
    assert encoded.too_old == 2
    assert encoded.blocks[0].lines.count(b"\n") == 1
    ahead = make_batch(key, [1.0], [BOUNDS.last_ms + 1])
    encoded = encode(ServerIndex(VictoriaHead), [ahead], BOUNDS)
    assert (encoded.blocks, list(encoded.refused)) == ([], [ahead.key])
    all_old = encode(ServerIndex(VictoriaHead), [make_batch(key, [1.0], [T0 - 1])], BOUNDS)
    assert (all_old.blocks, all_old.refused, all_old.too_old) == ([], {}, 1)


@given(times=st.lists(st.integers(0, 30).map(lambda ms: T0 + ms), min_size=1, max_size=40))
def test_a_burst_in_one_millisecond_stays_as_many_points(times: list[int]) -> None:
    batch = make_batch(SeriesKey("co2", "air-301", "main/301"), [float(n) for n in range(len(times))], times)
    [block] = encode(ServerIndex(VictoriaHead), [batch], BOUNDS).blocks
    rows = [line.split() for line in block.lines.decode().splitlines()]
    written = [int(row[2]) for row in rows]
    assert [row[1] for row in rows] == [f"ppm={n}.0" for n in range(len(times))]
    assert len(set(written)) == len(times)
    order = sorted(range(len(times)), key=times.__getitem__)
    assert sorted(range(len(times)), key=written.__getitem__) == order
    assert all(0 <= moved - time_ms < len(times) for time_ms, moved in zip(times, written, strict=True))
    if len(set(times)) == len(times):
        assert written == times
    assert encode(ServerIndex(VictoriaHead), [batch], BOUNDS).blocks[0].lines == block.lines
