"""Offers on a real line: who is offered what, when again, and what is written down of it."""

from __future__ import annotations

import asyncio
import threading

import pytest
from sqlalchemy import text

from collector.fleet import offers as offers_module
from collector.fleet.offers import make_offer
from collector.intake import registry as registry_module
from collector.intake.http_offers import ANSWER_BYTES_MAX, KeptOffers
from collector.overview import Overview
from collector.records import configurations
from collector.records.configurations import Version
from telemetry.batch import Stream
from telemetry.configuration import BYTES_MAX, Running, apply, digest, encode_offer
from telemetry.envelope import PAYLOAD_BYTES_MAX
from telemetry.posting import Place, unpack
from telemetry.topics import Address
from tests.collector.conftest import NOW_MS, SCHOOL, Lab, MakeLab, column, eventually
from tests.collector.record_databases import on_both
from tests.collector.test_collector_intake_http import Post, posting
from tests.fleet.fleet_parts import Double, make_version, modbus


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Versions are noticed at once."""
    for module in (offers_module, registry_module):
        monkeypatch.setattr(module, "REFRESH_S", 0.02)
    for name in ("SOONEST_S", "TURN_S"):
        monkeypatch.setattr(offers_module, name, 0.0)


async def started(make_lab: MakeLab, *names: str) -> tuple[Lab, list[Double]]:
    doubles = [Double(name) for name in names]
    lab: Lab = await make_lab(*(one.sender for one in doubles))
    for one in doubles:
        one.collector_key = lab.key.public_key()
    return lab, doubles


async def say(lab: Lab, *doubles: Double) -> None:
    for one in doubles:
        await lab.line.submit([one.status()], one.answer)


async def told(lab: Lab, double: Double) -> None:
    """Until what the gateway runs is written down."""

    def look() -> bool:
        state = lab.records.look_now(lambda connection: configurations.find_state(connection, double.key))
        return state is not None and (state.running, state.digest, state.refused) == (
            double.running.version, double.running.digest, double.running.refused
        )  # fmt: skip

    await eventually(look, "the state is written down")


@on_both
async def test_a_new_version_is_sent_and_then_only_what_differs(make_lab: MakeLab) -> None:
    lab, (gateway, other) = await started(make_lab, "gw-1", "gw-2")
    await say(lab, gateway, other)
    make_version(lab.records, gateway.key, modbus("301", "302"))
    await eventually(lambda: gateway.running.version == 1)
    await say(lab, gateway)
    await told(lab, gateway)
    make_version(lab.records, gateway.key, modbus("302", batch={"interval_s": 5}))
    await eventually(lambda: gateway.running.version == 2)
    first, second = gateway.offers
    assert (first.base, sorted(first.changed)) == ("", ["modbus/301", "modbus/302"])
    assert (second.base, list(second.changed), second.removed) == (first.digest, ["batch"], ["modbus/301"])
    assert other.offers == []
    await say(lab, gateway)
    await told(lab, gateway)
    assert len(gateway.offers) == 2


async def test_who_is_away_is_offered_the_newest_when_back(make_lab: MakeLab) -> None:
    lab, (gateway,) = await started(make_lab, "gw-1")
    for interval_s in (1, 2, 3):
        make_version(lab.records, gateway.key, modbus("301", interval_s=interval_s))
    await say(lab, gateway)
    await eventually(lambda: gateway.running.version == 3)
    assert [one.version for one in gateway.offers] == [3]


async def test_nothing_is_sent_to_who_has_gone(make_lab: MakeLab) -> None:
    lab, (gateway, witness) = await started(make_lab, "gw-1", "gw-2")
    await say(lab, gateway, witness)
    await told(lab, gateway)
    lab.line._offers._heard[gateway.key].at_s -= offers_module.HERE_S
    for one in (gateway, witness):
        make_version(lab.records, one.key, modbus("301"))
    await eventually(lambda: witness.offers)
    assert gateway.offers == []
    await say(lab, gateway)
    await eventually(lambda: gateway.offers)


async def test_what_runs_is_not_known_here(make_lab: MakeLab) -> None:
    """As after the records were restored from a backup: everything is sent, whatever the gateway runs."""
    lab, (gateway,) = await started(make_lab, "gw-1")
    gateway.sections = modbus("from-before")
    gateway.running = Running(7, digest(gateway.sections))
    made = make_version(lab.records, gateway.key, modbus("301"))
    await say(lab, gateway)
    await eventually(lambda: gateway.offers)
    assert gateway.offers[0].base == ""
    assert (gateway.sections, gateway.running.digest) == (modbus("301"), made.digest)


@on_both
async def test_after_a_backup_numbers_go_on_above_what_the_gateway_has_run(make_lab: MakeLab) -> None:
    lab, (gateway,) = await started(make_lab, "gw-1")
    assert make_version(lab.records, gateway.key, modbus("301")).version == 1
    gateway.deaf, gateway.running = True, Running(7, "a" * 64)
    await say(lab, gateway)
    await told(lab, gateway)
    assert make_version(lab.records, gateway.key, modbus("301")).version == 8
    assert make_version(lab.records, gateway.key, modbus("301")).version == 8
    gateway.running = Running(2**31 - 1, "a" * 64)
    await say(lab, gateway)
    await told(lab, gateway)
    assert make_version(lab.records, gateway.key, modbus("302")).version == 2**30 + 1


async def test_not_again_after_a_refusal_until_somebody_sends_it(
    make_lab: MakeLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(offers_module, "AGAIN_S", 0.0)
    lab, (gateway,) = await started(make_lab, "gw-1")
    gateway.refuse = {1}
    make_version(lab.records, gateway.key, modbus("301"))
    await say(lab, gateway)
    await eventually(lambda: gateway.offers)
    await say(lab, gateway)
    await told(lab, gateway)
    offered = len(gateway.offers)
    for _ in range(5):
        await say(lab, gateway)
        await eventually(lambda: lab.overview.of(*gateway.key).status == gateway.said)
        await asyncio.sleep(0.05)  # some looks at all gateways
    assert len(gateway.offers) == offered
    # Somebody sends the same again: it has a number of its own, for the gateway may know better now.
    assert make_version(lab.records, gateway.key, modbus("301")).version == 2
    await eventually(lambda: gateway.running.version == 2)
    await say(lab, gateway)
    await told(lab, gateway)
    assert make_version(lab.records, gateway.key, modbus("301")).version == 2


async def test_a_lost_offer_is_made_again(make_lab: MakeLab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offers_module, "AGAIN_S", 0.05)
    lab, (gateway,) = await started(make_lab, "gw-1")
    gateway.deaf = True
    make_version(lab.records, gateway.key, modbus("301"))
    await say(lab, gateway)
    await eventually(lambda: lab.count("campus_configuration_offers_total") >= 2)
    gateway.deaf = False

    def applied() -> bool:
        return gateway.running.version == 1

    await say(lab, gateway)
    await eventually(applied)


async def test_while_the_records_are_away_nothing_is_offered_and_then_it_is(make_lab: MakeLab) -> None:
    lab, (gateway, other) = await started(make_lab, "gw-1", "gw-2")
    await say(lab, gateway, other)
    await told(lab, other)
    make_version(lab.records, gateway.key, modbus("301"))
    make_version(lab.records, other.key, modbus("301"))
    await eventually(lambda: gateway.offers and other.offers)
    lab.records.run_now(
        lambda connection: connection.execute(text("ALTER TABLE configuration_states RENAME TO away"))
    )
    await say(lab, gateway)
    await eventually(lambda: lab.line._offers._untold)
    lab.records.run_now(
        lambda connection: connection.execute(text("ALTER TABLE away RENAME TO configuration_states"))
    )
    await told(lab, gateway)
    assert "no configurations are offered meanwhile" not in lab.line.health().values()
    make_version(lab.records, gateway.key, modbus("302"))
    await eventually(lambda: gateway.running.version == 2)


async def test_a_gateway_that_says_ever_something_else_is_not_offered_ever_again(
    make_lab: MakeLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(offers_module, "SOONEST_S", 60.0)
    lab, (gateway,) = await started(make_lab, "gw-1")
    make_version(lab.records, gateway.key, modbus("301"))
    gateway.deaf = True
    for number in range(10):
        gateway.running = Running(0, f"{number:064x}")
        await say(lab, gateway)
        await told(lab, gateway)
    assert lab.count("campus_configuration_offers_total") == 1


async def test_whoever_knows_no_offers_gets_none(make_lab: MakeLab) -> None:
    lab, (gateway, witness) = await started(make_lab, "gw-1", "gw-2")
    for one in (gateway, witness):
        make_version(lab.records, one.key, modbus("301"))
    await lab.line.submit([gateway.sender.status()], gateway.answer)
    await say(lab, witness)
    await eventually(lambda: witness.offers)
    assert gateway.offers == []


@on_both
async def test_a_state_is_written_when_it_changes(make_lab: MakeLab) -> None:
    lab, (gateway,) = await started(make_lab, "gw-1")
    await say(lab, gateway)
    await told(lab, gateway)
    lab.now_ms += 60_000
    await say(lab, gateway)
    await eventually(lambda: lab.overview.of(*gateway.key).status_ms == lab.now_ms)
    state = lab.records.look_now(lambda connection: configurations.find_state(connection, gateway.key))
    assert state is not None
    assert state.reported_ms == NOW_MS
    gateway.running = Running(4, "a" * 64, 5, "because\0of it")
    await say(lab, gateway)
    await told(lab, gateway)
    state = lab.records.look_now(lambda connection: configurations.find_state(connection, gateway.key))
    assert state is not None
    assert (state.reason, state.reported_ms) == ("becauseof it", lab.now_ms)


@on_both
async def test_when_data_came_last_is_known_after_a_restart(make_lab: MakeLab) -> None:
    lab, (gateway, silent) = await started(make_lab, "gw-1", "gw-2")
    streams: tuple[Stream, ...] = ("bulk", "urgent")
    for at, stream in enumerate(streams):
        lab.now_ms = NOW_MS + at
        await lab.send(gateway.sender.batch(1, column(), stream=stream))
        await eventually(lambda: len(lab.stored()) == 1 and lab.acks[-1].stored)
        lab.acks.clear()
    after = Overview()
    after.load(await lab.records.last_data())
    assert after.of(*gateway.key).last_seen_ms == NOW_MS + 1
    assert after.of(*silent.key).last_seen_ms is None


@pytest.mark.parametrize("then", [Running(2, "b" * 64), Running(0, "")])
async def test_what_a_gateway_says_while_something_is_written(
    make_lab: MakeLab, monkeypatch: pytest.MonkeyPatch, then: Running
) -> None:
    lab, (gateway,) = await started(make_lab, "gw-1")
    await say(lab, gateway)
    await told(lab, gateway)
    monkeypatch.setattr(registry_module, "REFRESH_S", 60.0)
    may_go_on = threading.Event()
    busy = asyncio.create_task(lab.records.run(lambda _: may_go_on.wait(20)))
    for gateway.running in (Running(1, "a" * 64), then):
        await say(lab, gateway)
        await eventually(lambda: lab.overview.of(*gateway.key).status == gateway.said)
        await asyncio.sleep(0.05)  # it waits to be written
    may_go_on.set()
    await busy
    await told(lab, gateway)


@pytest.mark.parametrize(
    "running", [Running(-1, ""), Running(2**31, ""), Running(1, "a" * 65), Running(1, "", 2**31)]
)
async def test_a_status_out_of_bounds_is_refused(make_lab: MakeLab, running: Running) -> None:
    lab, (gateway,) = await started(make_lab, "gw-1")
    gateway.running = running
    await say(lab, gateway)
    await eventually(lambda: lab.refused("bad_status"))


async def test_over_https_it_comes_with_the_next_answer(make_lab: MakeLab) -> None:
    lab, (gateway,) = await started(make_lab, "gw-1")
    make_version(lab.records, gateway.key, modbus("301"))
    async with posting(lab) as post:
        await _post_until(post, gateway, 1)
        await post.until(200, gateway.sender, gateway.status())
        await told(lab, gateway)
        make_version(lab.records, gateway.key, modbus("301", "302"))
        await _post_until(post, gateway, 2)
    assert gateway.sections == modbus("301", "302")
    assert gateway.offers[1].base == gateway.offers[0].digest


async def _post_until(post: Post, gateway: Double, version: int) -> None:
    while gateway.running.version < version:
        answer = await post.until(200, gateway.sender, gateway.status())
        for one in unpack(answer.content):
            gateway.hear(one)


def test_the_largest_offer_fits_into_a_message() -> None:
    full = {"batch": "统" * (BYTES_MAX // 3)}
    wanted = Version(SCHOOL, "gw-1", 1, digest(full), "", "console", 1)
    offer = make_offer(wanted, full, None, NOW_MS)
    assert len(encode_offer(offer)) < min(PAYLOAD_BYTES_MAX, 1024 * 1024 - 64 * 1024)
    assert apply({"old": "{}"}, offer) == full


def test_offers_that_wait_for_a_post_are_bounded() -> None:
    kept = KeptOffers(10)
    for name, data in (("a", b"12345"), ("b", b"123"), ("a", b"1234"), ("c", b"12345")):
        kept.keep(Address(SCHOOL, name, "config"), data)
    place = Place(SCHOOL, "a", "urgent")
    assert kept.take(place, ANSWER_BYTES_MAX - 3) == [], "beside so much it has no room"
    assert kept.take(place, ANSWER_BYTES_MAX - 4) == [b"1234"]
    assert [kept.take(Place(SCHOOL, name, "bulk"), 0) for name in "abc"] == [[], [], [b"12345"]]
    assert kept.bytes == 0
