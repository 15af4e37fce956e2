"""What our boards' firmware makes of what people do, on CPython."""

from __future__ import annotations

import pytest

from firmware_bridges.boards import messages
from firmware_bridges.boards.link import EVENTS_MAX
from firmware_bridges.boards.messages import Check, Fault, Heartbeat, Hello, Tap, Weight
from firmware_bridges.boards.parameters import PARAMETERS, checked, defaults
from firmware_bridges.boards.sensors import CardReader, Thermometer, read_indicator
from tests.boards.parts import (
    ACCEPTED,
    ANA,
    BEN,
    REJECTED,
    SCENES,
    SOURCE,
    Scene,
    card,
    command,
    events,
    lamps,
    looking,
    temperature_frame,
    told,
    wiegand,
)


def _check(sequence: int, object_c: float, uid: bytes) -> Check:
    return Check(SOURCE, sequence, 0, "forehead", object_c, 21.5, uid)


@pytest.mark.parametrize(
    ("name", "expected", "shown"),
    [
        ("card, then forehead", [_check(1, 36.52, ANA)], ACCEPTED),
        ("forehead, then card", [_check(1, 36.4, ANA)], ACCEPTED),
        ("a card without a forehead", [], REJECTED),
        ("two cards, one forehead", [], REJECTED),
        ("two pupils", [_check(1, 36.5, ANA), _check(2, 38.3, BEN)], ACCEPTED * 2),
        ("a forehead that does not keep still", [], REJECTED),
        ("a forehead without a card", [_check(1, 38.3, b"")], REJECTED),
        (
            "two cards at a door, and a bit lost",
            [
                Tap(SOURCE, 1, 0, "wiegand", True, 26, bytes.fromhex("650fff")),
                Tap(SOURCE, 2, 0, "wiegand", True, 34, (1_234_567_890).to_bytes(4, "big")),
                Tap(SOURCE, 3, 0, "wiegand", False, 26, b""),
            ],
            REJECTED,
        ),
        (
            "tare and two portions on an indicator",
            [Weight(SOURCE, 1, 0, 525, 210, True), Weight(SOURCE, 2, 0, 400, 210, True)],
            ACCEPTED[:2] + ACCEPTED * 2,
        ),
        ("a portion on a bare load cell", [Weight(SOURCE, 1, 0, 365, 0, True)], ACCEPTED),
        (
            "a load cell that drifts by 60 g in a minute",
            [Weight(SOURCE, 1, 0, 201, 0, True)],
            ACCEPTED,
        ),
    ],
)
def test_what_people_do_gives_one_event_each(
    name: str, expected: list[messages.Event], shown: list[str]
) -> None:
    done = SCENES[name].play()
    assert events(done) == expected
    if name.startswith("tare"):
        assert [lamp for lamp in lamps(done) if lamp] == [lamp for lamp in ACCEPTED * 3 if lamp]
    else:
        assert lamps(done) == shown


def test_a_card_that_stays_on_the_reader_is_one_card() -> None:
    held = [card(at, ANA) for at in range(0, 9_000, 80)]
    done = Scene("morning-desk", [*held, *looking(500, 9_000, 36.5)], 9_000).play()
    assert {event.sequence for event in events(done)} == {1}


def test_a_forehead_that_stays_gives_one_temperature() -> None:
    done = Scene("morning-desk", [card(0, ANA), card(4_000, BEN), *looking(0, 9_000, 36.5)], 9_000).play()
    checks = events(done)
    assert {event.sequence for event in checks} == {1}
    assert all(isinstance(check, Check) and check.card == ANA for check in checks)


def test_a_desk_may_be_told_to_want_a_card() -> None:
    scene = SCENES["a forehead without a card"]
    off = command(0, messages.set_parameter("anonymous", 0))
    done = scene._replace(doings=[off, *scene.doings]).play()
    assert not events(done)
    assert not lamps(done)


def test_a_board_says_hello_and_how_it_fares() -> None:
    done = told(SCENES["no thermometer"].play())
    assert done[0] == (0, Hello(SOURCE, "morning-desk", (1, 0, 0), 0))
    assert done[1] == (0, Heartbeat(SOURCE, 0, 0, 0, 0, 0, False, False))
    assert (6_000, Fault(SOURCE, "sensor_silent", 1)) in done


def test_bad_commands_are_counted_and_told() -> None:
    done = told(SCENES["damaged and unknown commands"].play())
    kinds = [type(message) for _, message in done]
    assert kinds.count(Hello) == 2
    assert Fault(SOURCE, "bad_parameter", 1) in [message for _, message in done]
    assert done[-2][1] == Heartbeat(SOURCE, 10, 0, 0, 0, 2, False, False)


def test_a_wiegand_card_of_zeros_is_none() -> None:
    done = Scene("wiegand-tap", wiegand(100, "0" * 25 + "1"), 900).play()
    assert events(done) == [Tap(SOURCE, 1, 0, "wiegand", False, 26, b"")]


def _taps(count: int, first_ms: int = 1_000) -> list[tuple[int, str, str]]:
    return [
        bit
        for number in range(count)
        for bit in wiegand(first_ms + 100 * number, "00110010100001111111111111")
    ]


def test_without_a_cable_for_a_minute_no_check_is_lost() -> None:
    done = SCENES["a cable pulled out for a minute"].play()
    found = events(done)
    assert {event.sequence for event in found} == set(range(1, 30))
    assert len(found) == 29
    assert 57_000 < found[0].age_ms < 60_000


def test_what_is_acknowledged_is_not_sent_again() -> None:
    ack = command(1_500, messages.acknowledge(SOURCE, 1))
    done = Scene("wiegand-tap", [*_taps(1), ack], 20_000).play()
    assert len(events(done)) == 1


def test_an_acknowledgement_from_before_the_restart_is_none() -> None:
    ack = command(1_500, messages.acknowledge(SOURCE._replace(boot=16), 1))
    done = Scene("wiegand-tap", [*_taps(1), ack], 5_000).play()
    assert len(events(done)) > 2


def test_no_more_than_a_few_are_sent_again_at_a_time() -> None:
    done = Scene("wiegand-tap", _taps(40), 30_000).play()
    sequences = [event.sequence for event in events(done)]
    assert [
        sequence for place, sequence in enumerate(sequences) if sequence not in sequences[:place]
    ] == list(range(1, 41))
    assert set(sequences[-16:]) == set(range(1, 9))


def test_before_a_gateway_that_acknowledges_a_full_board_refuses() -> None:
    ack = command(1_150, messages.acknowledge(SOURCE, 1))
    done = Scene("wiegand-tap", [*_taps(EVENTS_MAX + 5), ack], 30_000).play()
    assert max(event.sequence for event in events(done)) == EVENTS_MAX + 1
    last = [message for _, message in told(done) if isinstance(message, Heartbeat)][-1]
    assert (last.waiting, last.lost, last.refused) == (EVENTS_MAX, 0, 4)
    assert any(isinstance(message, Fault) and message.fault == "full" for _, message in told(done))


def test_before_a_gateway_that_never_does_the_oldest_goes() -> None:
    done = Scene("wiegand-tap", _taps(EVENTS_MAX + 5), 30_000).play()
    assert {event.sequence for event in events(done)} == set(range(1, EVENTS_MAX + 6))
    last = [message for _, message in told(done) if isinstance(message, Heartbeat)][-1]
    assert (last.waiting, last.lost, last.refused) == (EVENTS_MAX, 5, 0)


def test_a_gateway_may_want_no_acknowledgements() -> None:
    off = command(0, messages.set_parameter("acknowledged", 0))
    done = Scene("wiegand-tap", [off, *_taps(3)], 20_000).play()
    assert [event.sequence for event in events(done)] == [1, 2, 3]


def test_parameters_are_held_to_their_range_and_board() -> None:
    for number, (name, default, low, high) in PARAMETERS.items():
        kind = number // 10 or 1
        assert low <= default <= high
        assert defaults(kind)[name] == default
        assert checked(kind, number, low) == checked(kind, number, high) == name
        assert checked(kind, number, low - 1) is None
    assert checked(2, 10, 3_000) is None
    assert checked(3, 34, 0) is None
    with pytest.raises(ValueError, match="between 20 and 60000"):
        messages.set_parameter("retry_ms", 5)
    with pytest.raises(ValueError, match="no such parameter"):
        messages.set_parameter("name", 5)


def test_modules_are_read_between_noise_and_however_cut() -> None:
    line = b"\x02\x0212" + bytes.fromhex(card(0, ANA)[2]) + b"\x02" + b"0" * 12 + b"\x03"
    reader = CardReader()
    assert [uid for byte in line for uid in reader.feed(bytes((byte,)))] == [ANA]
    thermometer = Thermometer()
    noise = temperature_frame(36.5)[:-1] + b"\0"
    line = b"\x5a\x5a" + noise + temperature_frame(-3.25, 31.0)
    assert [pair for byte in line for pair in thermometer.feed(bytes((byte,)))] == [(-325, 3_100)]
    # The vendor's own example
    assert thermometer.feed(bytes.fromhex("5a5a45040c780d19a7")) == [(3_192, 3_353)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"ST,GS,+0001260kg", (1_260_000, True)),
        (b"ST, GS, +   2380 kg", (2_380_000, True)),
        (b"ST,GS,+0.520,kg", (520, True)),
        (b"US,NT,-0000.1255kg", (-126, False)),
        (b"ST,GS,+  610.4 g", (610, True)),
        (b"OL,GS,+999999kg", None),
        (b"ST,GS,+1.2.3kg", None),
        (b"ST,GS,kg", None),
        (b"ST,GS,+100lb", None),
        (b"ST", None),
    ],
)
def test_an_indicators_lines(line: bytes, expected: tuple[int, bool] | None) -> None:
    assert read_indicator(line) == expected
