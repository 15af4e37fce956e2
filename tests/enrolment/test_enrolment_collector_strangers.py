"""What strangers and wrong clocks cannot do to a collector at which gateways enrol."""

from __future__ import annotations

from functools import partial

import pytest

from collector.enrolment.throttle import OF_ADDRESS_MAX, OF_ALL_MAX, UNHEARD_S
from collector.records import enrolment
from tests.enrolment.enrolling import WRONG_CODE, Box, Site, wall_ms

HOUR_MS = 60 * 60_000
YEAR_MS = 365 * 24 * HOUR_MS


@pytest.mark.parametrize("rotated", [False, True])
async def test_a_key_that_has_ended_stays_ended_when_the_clock_is_put_back(
    desk: Site, *, rotated: bool
) -> None:
    """The box was stolen; somebody sets the collector's clock, or its battery is empty."""
    old = await desk.enrolled()
    if rotated:
        old, stolen = Box(), old
        answer = await desk.rotated(stolen.rotation(old, desk.now_ms()), stolen)
        old.certificate = answer.certificate
        await desk.knows(old)
        assert (await desk.report(old, shows=old)).status_code == 200
        await desk.keeper.round()
    else:
        stolen = old
        await desk.enrolled(replaces=True)
    desk.ahead_ms = -HOUR_MS
    await desk.reread()
    assert (await desk.report(stolen)).status_code == 401
    assert (await desk.report(stolen, shows=stolen)).status_code in {401, 403}
    refused = await desk.rotate(stolen.rotation(Box(), desk.now_ms()), None)
    assert refused.status_code == 401


async def test_wrong_codes_from_everywhere_stop_nobody_who_has_a_right_one(desk: Site) -> None:
    code = await desk.invite()
    for n in range(OF_ALL_MAX):
        add = partial(enrolment.add_failure, at_ms=wall_ms(), address=f"198.51.100.{n}")
        await desk.lab.records.run(add)
    assert (await desk.ask(Box().question(code, desk.shown))).status_code == 200
    # What is wrong is not even counted.
    answer = await desk.ask(Box().question(WRONG_CODE, desk.shown))
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "60")
    counted = await desk.lab.records.run(partial(enrolment.failures, now_ms=wall_ms()))
    assert len(counted) == OF_ALL_MAX
    # For a while, not even looked at.
    code = await desk.invite("gw-302")
    assert (await desk.ask(Box().question(code, desk.shown))).status_code == 429


async def test_how_long_to_wait_is_told_each_time(desk: Site) -> None:
    question = Box().question(WRONG_CODE, desk.shown)
    for _ in range(OF_ADDRESS_MAX):
        await desk.ask(question)
    waits_s = [int((await desk.ask(question)).headers["retry-after"]) for _ in range(3)]
    assert all(0 < one <= UNHEARD_S for one in waits_s), waits_s


async def test_an_authority_that_has_ended_is_said_and_costs_no_code(desk: Site) -> None:
    box = Box()
    desk.ahead_ms = 11 * YEAR_MS
    code = await desk.invite()
    answer = await desk.ask(box.question(code, desk.shown))
    assert answer.status_code == 503
    assert "authority's certificate has ended" in answer.json()["detail"]
    desk.ahead_ms = 0
    assert [
        one.used_ms
        for one in await desk.lab.records.look(
            partial(enrolment.current_invitations, now_ms=desk.now_ms() + 11 * YEAR_MS)
        )
    ] == [None]
