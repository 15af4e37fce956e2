"""Wrong codes at the collector: how many are heard, from whom, and what they cost."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection

from collector.enrolment.issuing import RefusedError
from collector.enrolment.throttle import OF_ADDRESS_MAX, OF_ALL_MAX, UNHEARD_S, Throttle
from collector.intake.http_callers import fingerprint_of
from collector.records import enrolment
from telemetry.enrolment import CODE_LIFE_MS, encode
from tests.collector.conftest import MakeLab
from tests.enrolment.enrolling import WRONG_CODE, Box, Site, site_of, wall_ms

MINUTE_MS = 60_000


async def test_wrong_codes_are_limited_over_restarts_and_right_ones_pass(
    make_lab: MakeLab, tmp_path: Path
) -> None:
    """As at a school behind one address, where somebody has read a code wrongly five times."""
    lab = await make_lab()
    async with site_of(lab, tmp_path) as site:
        first, second = await site.invite(), await site.invite("gw-302")
        # All at once: none of them slips through between counting and asking.
        questions = [Box().question(WRONG_CODE, site.shown) for _ in range(OF_ADDRESS_MAX)]
        answers = [one.status_code for one in await asyncio.gather(*map(site.ask, questions))]
        assert answers == [403] * OF_ADDRESS_MAX
        assert (await site.ask(Box().question(first, site.shown))).status_code == 200
    lab.registry = type(lab.registry)()
    async with site_of(lab, tmp_path) as site:
        guess = await site.ask(Box().question(WRONG_CODE, site.shown))
        assert (guess.status_code, guess.headers["retry-after"]) == (429, "60")
        box = Box()
        unheard = await site.ask(box.question(second, site.shown))
        assert unheard.status_code == 429, "for a minute also the right one"
        assert 0 < int(unheard.headers["retry-after"]) <= UNHEARD_S
        site.desk._unheard = {address: until_s - UNHEARD_S for address, until_s in site.desk._unheard.items()}
        assert (await site.ask(box.question(second, site.shown))).status_code == 200
        site.ahead_ms = 15 * MINUTE_MS
        assert (await site.ask(Box().question(WRONG_CODE, site.shown))).status_code == 403


async def test_whoever_has_used_a_code_guesses_like_others(desk: Site) -> None:
    code = await desk.invite()
    assert (await desk.ask(Box().question(code, desk.shown))).status_code == 200
    answers = [await desk.ask(Box().question(code, desk.shown)) for _ in range(OF_ADDRESS_MAX + 2)]
    assert [one.status_code for one in answers] == [403] * OF_ADDRESS_MAX + [429] * 2


async def test_a_guesser_costs_no_transaction_each_time(desk: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    question = Box().question(WRONG_CODE, desk.shown)
    for _ in range(OF_ADDRESS_MAX + 1):
        answer = await desk.ask(question)
    assert answer.status_code == 429

    async def never(_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(desk.lab.records, "run", never)
    assert (await desk.ask(question)).status_code == 429


async def test_behind_a_proxy_its_certificate_and_its_word_for_the_address_count(
    make_lab: MakeLab, tmp_path: Path
) -> None:
    lab = await make_lab()
    file = tmp_path / "proxy.pem"
    async with site_of(lab, tmp_path, proxy=file) as site:
        code = await site.invite()
        assert (await site.ask(Box().question(code, b""))).status_code == 503, "there is no such file"
        _, certificate = site.authority.issue_own("proxy", ["pulse.campus.example"], "server", wall_ms())
        file.write_bytes(certificate.public_bytes(Encoding.PEM))
        shown = fingerprint_of(certificate)
        wrong = Box().question(WRONG_CODE, shown)
        for n in range(OF_ADDRESS_MAX + 1):
            # What a caller writes before it is not looked at.
            told = {"X-Forwarded-For": f"10.0.0.{n}, 2001:db8::{n}"}
            answer = await site.ask(wrong, **told)
        assert answer.status_code == 429
        # Without the certificate's fingerprint nothing is proved, though the listener has no TLS.
        other = {"X-Forwarded-For": "198.51.100.7"}
        assert (await site.ask(Box().question(code, b""), **other)).status_code == 403
        assert (await site.ask(Box().question(code, shown), **other)).status_code == 200


def test_limits_of_wrong_codes() -> None:
    hour_ms = 60 * MINUTE_MS
    failures: list[tuple[int, str]] = []
    # Twenty addresses, a guess a second in turn: of all of them together 50 are counted in an hour.
    for second in range(3_600):
        now_ms, address = second * 1000, f"10.0.0.{second % 20}"
        if not Throttle(failures).is_spent(address, now_ms):
            failures.append((now_ms, address))
    assert len(failures) == OF_ALL_MAX
    assert Throttle(failures).is_spent("10.9.9.9", failures[0][0] + hour_ms - 1)
    assert not Throttle(failures).is_spent("10.9.9.9", failures[0][0] + hour_ms)


@given(
    steps=st.lists(st.tuples(st.integers(0, 400_000), st.integers(0, 2)), max_size=40),
)
def test_of_an_address_so_many_are_counted_in_any_quarter_of_an_hour(steps: list[tuple[int, int]]) -> None:
    failures: list[tuple[int, str]] = []
    now_ms = 0
    for step_ms, who in steps:
        now_ms += step_ms
        address = f"192.0.2.{who}"
        recent = [one for one in failures if one[1] == address and one[0] > now_ms - 15 * MINUTE_MS]
        assert Throttle(failures).is_spent(address, now_ms) == (len(recent) >= OF_ADDRESS_MAX)
        if not Throttle(failures).is_spent(address, now_ms):
            failures.append((now_ms, address))


async def test_in_the_life_of_a_code_an_address_guesses_twenty_times(
    desk: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s, heard, enrol = 0, 0, desk.registrar.enrol

    def counted(*given: Any, **named: Any) -> Any:
        nonlocal heard
        heard += 1
        return enrol(*given, **named)

    monkeypatch.setattr("collector.enrolment.desk.time", SimpleNamespace(monotonic=lambda: now_s))
    monkeypatch.setattr(desk.registrar, "enrol", counted)
    data = encode(Box().question(WRONG_CODE, desk.shown))
    caller: Any = SimpleNamespace(shown=desk.shown)
    began_ms = wall_ms()
    desk.desk._now_ms = lambda: began_ms + now_s * 1000
    for second in range(0, CODE_LIFE_MS // 1000, 5):
        now_s = second
        with contextlib.suppress(RefusedError):
            await desk.desk._enrol(data, "192.0.2.7", caller)
    assert heard == 20


async def test_the_table_of_wrong_codes_stays_small(desk: Site) -> None:
    def add(connection: Connection, n: int) -> int:
        now_ms = wall_ms() + n * 10 * MINUTE_MS
        kept = enrolment.failures(connection, now_ms)
        for m in range(6):
            enrolment.add_failure(connection, now_ms, f"10.0.0.{m}")
        return len(kept)

    kept = [await desk.lab.records.run(partial(add, n=n)) for n in range(30)]
    assert max(kept) <= 6 * 6
