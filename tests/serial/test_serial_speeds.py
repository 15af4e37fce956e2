"""Finding a line's speed, apart from any port: what is heard at which speed decides."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge_agent.drivers.serial.speeds import (
    DOUBT_BYTES,
    DOUBT_QUESTIONS,
    GOOD_FRAMES,
    RUBBISH_BYTES_MAX,
    SpeedTrial,
)
from firmware_bridges.frames import Frame

FRAME = Frame(b"good")
SPEEDS = (9_600, 19_200, 115_200)


def _settle(trial: SpeedTrial) -> tuple[Frame, ...]:
    given_back: tuple[Frame, ...] = ()
    for _ in range(GOOD_FRAMES):
        trial.heard(10, faulty=False)
        given_back = trial.good(FRAME)
    return given_back


def test_one_speed_needs_no_trial() -> None:
    trial = SpeedTrial([9_600], patience_s=4)
    trial.start(0)
    assert trial.settled
    assert trial.good(FRAME) == (FRAME,)
    trial.heard(DOUBT_BYTES + 1, faulty=True)
    for _ in range(DOUBT_QUESTIONS):
        trial.unanswered()
    assert trial.settled
    assert trial.gives_up_at_s() is None


def test_frames_are_held_back_until_the_speed_is_settled() -> None:
    trial = SpeedTrial(SPEEDS, patience_s=4)
    trial.start(0)
    assert trial.good(FRAME) == ()
    trial.heard(3, faulty=True)
    assert trial.good(FRAME) == (), "a fault between them: it begins anew"
    assert trial.good(FRAME) == (FRAME, FRAME)
    assert trial.good(FRAME) == (FRAME,)


def test_rubbish_and_silence_lead_to_the_next_speed() -> None:
    trial = SpeedTrial(SPEEDS, patience_s=4)
    trial.start(10)
    assert trial.gives_up_at_s() == 14
    trial.heard(RUBBISH_BYTES_MAX + 1, faulty=True)
    assert trial.gives_up_at_s() == 10
    assert [trial.next() for _ in range(4)] == [19_200, 115_200, 9_600, 19_200]


def test_a_board_that_is_asked_and_does_not_answer() -> None:
    trial = SpeedTrial(SPEEDS, patience_s=None)
    trial.start(10)
    assert trial.gives_up_at_s() is None
    trial.unanswered()
    assert trial.gives_up_at_s() == 10


def test_a_settled_speed_is_doubted_in_the_end() -> None:
    for doubt in ("bytes", "questions"):
        trial = SpeedTrial(SPEEDS, patience_s=None)
        trial.start(0)
        assert len(_settle(trial)) == GOOD_FRAMES
        assert trial.settled
        if doubt == "bytes":
            trial.heard(DOUBT_BYTES + 1, faulty=True)
        for _ in range(DOUBT_QUESTIONS if doubt == "questions" else 0):
            trial.unanswered()
        assert not trial.settled
        assert trial.gives_up_at_s() == 0


@given(st.lists(st.sampled_from(["good", "faulty", "bytes", "unanswered", "next"]), max_size=60))
def test_whatever_happens_no_frame_is_given_twice_and_the_speed_is_one_of_them(events: list[str]) -> None:
    trial = SpeedTrial(SPEEDS, patience_s=1)
    trial.start(0)
    put = back = 0
    for event in events:
        if event == "good":
            put += 1
            trial.heard(10, faulty=False)
            back += len(trial.good(FRAME))
        elif event == "unanswered":
            trial.unanswered()
        elif event == "next":
            trial.next()
            trial.start(0)
        else:
            trial.heard(100, faulty=event == "faulty")
    assert back <= put
    assert trial.baud in SPEEDS
