"""What VictoriaMetrics makes of times, and how a restart is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.series.contract import StoreAwayError
from collector.series.server_wire import Access, ServerWire
from collector.series.victoria import Victoria
from collector.series.victoria_answers import in_seconds
from tests.series.server_double import Asked, Reply, ServerDouble

METRICS = b'process_start_time_seconds %d\nvm_rows_inserted_total{type="influx"} %d\n'


@given(st.integers(946_684_800_000, 9_223_372_036_000))
def test_a_time_is_cut_to_the_millisecond_it_names(time_ms: int) -> None:
    # As lib/httputils of the server: a double of seconds, times 1e3, cut.
    assert int(float(in_seconds(time_ms)) * 1e3) == time_ms


def test_a_restart_is_told_by_its_time_and_within_one_second_by_what_it_counts() -> None:
    answers = [(100, 0), (100, 7), (100, 9), (100, 2), (100, 2), (101, 5), (101, 6)]

    def answer(asked: Asked) -> Reply:
        return Reply(200, METRICS % answers[len(double.asked) - 1])

    double = ServerDouble(answer)
    with double.running():
        wire = ServerWire(Access(double.url))
        server = Victoria(wire)
        runs = [server.started() for _ in answers]
        wire.close()
    assert runs[0] == runs[1] == runs[2]
    assert runs[3] == runs[4] != runs[2]
    assert runs[5] == runs[6] not in runs[:5]


def test_metrics_of_another_program_name_no_run() -> None:
    double = ServerDouble(lambda asked: Reply(200, b"process_start_time_seconds 100\n"))
    with double.running():
        wire = ServerWire(Access(double.url))
        with pytest.raises(StoreAwayError, match="no VictoriaMetrics"):
            Victoria(wire).started()
        wire.close()
