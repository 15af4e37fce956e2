"""Wrong codes at the collector: how many are heard, from whom, and what they cost."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection

from collector.enrolment.throttle import OF_ADDRESS_MAX, OF_ALL_MAX, Throttle, parse_address
from collector.intake.http_callers import fingerprint_of
from collector.records import enrolment
from tests.collector.conftest import MakeLab
from tests.enrolment.enrolling import WRONG_CODE, Box, Site, site_of, wall_ms

MINUTE_MS = 60_000


async def test_wrong_codes_are_limited_over_restarts(make_lab: MakeLab, tmp_path: Path) -> None:
    lab = await make_lab()
    async with site_of(lab, tmp_path) as site:
        code, box = await site.invite(), Box()
        # All at once: none of them slips through between counting and asking.
        questions = [Box().question(WRONG_CODE, site.shown) for _ in range(OF_ADDRESS_MAX + 3)]
        answers = [one.status_code for one in await asyncio.gather(*map(site.ask, questions))]
        assert sorted(answers) == [403] * OF_ADDRESS_MAX + [429] * 3
    lab.registry = type(lab.registry)()
    async with site_of(lab, tmp_path) as site:
        answer = await site.ask(box.question(code, site.shown))
        assert answer.status_code == 429, "also with the right one"
        assert 0 < int(answer.headers["retry-after"]) <= 15 * 60
        site.desk._unheard.clear()
        site.ahead_ms = 14 * MINUTE_MS
        assert (await site.ask(box.question(code, site.shown))).status_code == 429
        site.desk._unheard.clear()
        site.ahead_ms = 15 * MINUTE_MS
        code = await site.invite()
        assert (await site.ask(box.question(code, site.shown))).status_code == 200


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
    now_ms = heard = 0
    # Twenty addresses, a guess a second in turn: of all of them together 50 are counted in an hour.
    for second in range(3_600):
        now_ms, address = second * 1000, f"10.0.0.{second % 20}"
        failures = [one for one in failures if one[0] > now_ms - hour_ms]
        throttle = Throttle(failures)
        if throttle.wait_s(address, now_ms) is None and throttle.wait_of_all_s(now_ms) is None:
            failures.append((now_ms, address))
            heard += 1
    assert heard == OF_ALL_MAX
    wait_s = Throttle(failures).wait_of_all_s(now_ms)
    assert wait_s is not None
    assert Throttle(failures).wait_s("10.9.9.9", now_ms) is None
    later_ms = now_ms + wait_s * 1000
    assert Throttle([one for one in failures if one[0] > later_ms - hour_ms]).wait_of_all_s(later_ms) is None


@given(
    steps=st.lists(st.tuples(st.integers(0, 400_000), st.integers(0, 2)), max_size=40),
)
def test_whoever_waits_as_told_is_heard(steps: list[tuple[int, int]]) -> None:
    failures: list[tuple[int, str]] = []
    now_ms = 0
    for step_ms, who in steps:
        now_ms += step_ms
        address = f"192.0.2.{who}"
        wait_s = Throttle(failures).wait_s(address, now_ms)
        recent = [one for one in failures if one[1] == address and one[0] > now_ms - 15 * MINUTE_MS]
        assert (wait_s is not None) == (len(recent) >= OF_ADDRESS_MAX)
        if wait_s is not None:
            now_ms += wait_s * 1000
            assert Throttle(failures).wait_s(address, now_ms) is None
        failures.append((now_ms, address))


def test_addresses_count_as_whoever_has_them() -> None:
    assert parse_address("192.0.2.7") == "192.0.2.7"
    assert parse_address("::ffff:192.0.2.7") == "192.0.2.7"
    assert parse_address("2001:db8:1:2:3:4:5:6") == parse_address("2001:db8:1:2::1") == "2001:db8:1:2::/64"
    assert parse_address("fe80::1%eth0") == "fe80::/64"
    for text in ("", "unknown", "1.2.3", "a" * 5_000):
        assert parse_address(text) is None


async def test_the_table_of_wrong_codes_stays_small(desk: Site) -> None:
    def add(connection: Connection, n: int) -> int:
        now_ms = wall_ms() + n * 10 * MINUTE_MS
        kept = enrolment.failures(connection, now_ms)
        for m in range(6):
            enrolment.add_failure(connection, now_ms, f"10.0.0.{m}")
        return len(kept)

    kept = [await desk.lab.records.run(partial(add, n=n)) for n in range(30)]
    assert max(kept) <= 6 * 6
