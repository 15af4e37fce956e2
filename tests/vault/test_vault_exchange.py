"""The desk: who may ask, what they get, and what is taken down about it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from identity_vault import roster
from identity_vault.audit import find
from identity_vault.exchange import desk as desk_module
from identity_vault.exchange.desk import ExchangeDesk
from identity_vault.exchange.rates import Rate, Rates
from identity_vault.exchange.refusals import ExchangeRefusedError
from identity_vault.exchange.registry import add_gateway, find_gateway, replace_gateway, revoke_gateway
from identity_vault.joins.answering import consider, remember
from identity_vault.rights import orders, receipts
from identity_vault.vault import Vault
from telemetry.credential_map import Forgotten
from telemetry.envelope import Kind, Signer
from telemetry.exchange import (
    DirectoryQuestion,
    Exposure,
    JoinQuestion,
    MapQuestion,
    OrderReport,
    new_nonce,
    wrap_question,
)
from telemetry.sealing import Seal
from tests.vault.exchange_parts import (
    COLLECTOR,
    Gateway,
    ask_directory,
    vault_with_collector,
)
from tests.vault.vault_parts import NOW_MS, SCHOOL, add_somebody, make_vault

GATEWAY = Signer(Ed25519PrivateKey.from_private_bytes(bytes([1] * 32)))
SIGNERS = (GATEWAY, COLLECTOR, None)
texts = st.sampled_from([SCHOOL, "gw-1", "health", "nutrition", "", "\0", "x" * 300])
numbers = st.sampled_from([0, 1, 2, -1, 2**63, 2**64 - 1])
byte_strings = st.sampled_from([b"", bytes(16), bytes([9] * 32), bytes(32)])
questions = st.fixed_dictionaries(
    {"type": st.sampled_from(["map", "directory", "join", "key", "?"]), "school": st.just(SCHOOL) | texts},
    optional={
        "gateway": st.just("gw-1") | texts,
        "nonce": st.just(bytes(16)) | byte_strings,
        "reply_key": st.just(bytes([9] * 32)) | byte_strings,
        "have": numbers,
        "public_key": byte_strings,
        "held": byte_strings,
        "done": st.lists(
            st.fixed_dictionaries(
                {"order": texts, "deleted": st.dictionaries(texts, numbers, max_size=2)},
                optional={"records": byte_strings},
            ),
            max_size=2,
        ),
        "case_purpose": texts,
        "cases": st.lists(texts, max_size=3),
        "exposure_purpose": texts,
        "exposures": st.dictionaries(texts, st.lists(texts, max_size=3), max_size=3),
    },
)
CARD = "04A2B31C5D6E7F"
DAY_MS = 86_400_000


@pytest.fixture
def clock() -> list[int]:
    return [NOW_MS]


@pytest.fixture
def vault(tmp_path: Path, clock: list[int]) -> Iterator[Vault]:
    with vault_with_collector(tmp_path, clock) as found:
        yield found


@pytest.fixture
async def desk(vault: Vault) -> AsyncIterator[ExchangeDesk]:
    found = ExchangeDesk(vault)
    yield found
    found.close()


def give_card(vault: Vault, pupil: str, card: str) -> None:
    with vault.begin() as connection:
        roster.add_credential(vault, connection, pupil, "card", card, NOW_MS - 1_000)
        roster.bump(connection)


async def refusal(desk: ExchangeDesk, body: bytes) -> tuple[int, str]:
    with pytest.raises(ExchangeRefusedError) as caught:
        await desk.answer(body)
    return caught.value.status, caught.value.title


async def test_a_gateway_takes_the_whole_map_and_then_what_changed(vault: Vault, desk: ExchangeDesk) -> None:
    first = add_somebody(vault, 1)
    give_card(vault, first, CARD)
    gateway = Gateway(vault)
    update = await gateway.ask(desk)
    assert update.base == 0
    assert gateway.map is not None
    person = gateway.map.find("5D6E7F")
    assert person is not None, "a Wiegand reader tells the last three bytes"
    assert person.permits["health"].pseudonym == vault.pseudonyms.make("health", "2026-27", first)
    assert person.heart_rate_max == 202.4, "208 - 0.7 * 8 years"
    second = add_somebody(vault, 2)
    give_card(vault, second, "04FFEEDDCCBBAA")
    update = await gateway.ask(desk)
    assert update.base == update.version - 2
    assert len(update.people) == 1
    assert gateway.map.find("04FFEEDDCCBBAA") is not None
    assert (await gateway.ask(desk)).people == []
    with vault.read() as connection:
        rows = [(row.action, row.actor) for row in find(connection)]
    assert rows.count(("map_first", "gateway:gw-1")) == 1
    assert len([action for action, _ in rows if action.startswith("map_")]) == 1, "not every pull"


async def test_a_withdrawal_reaches_the_map_and_is_confirmed(vault: Vault, desk: ExchangeDesk) -> None:
    pupil = add_somebody(vault, 1)
    give_card(vault, pupil, CARD)
    gateway = Gateway(vault)
    await gateway.ask(desk)
    with vault.begin() as connection:
        roster.withdraw_consent(connection, pupil, "sport", NOW_MS)
        wanted = roster.bump(connection)
    await gateway.ask(desk)
    assert gateway.map is not None
    person = gateway.map.find(CARD)
    assert person is not None
    assert "sport" not in person.permits
    assert person.heart_rate_max is None, "of no use without heart rates"
    with vault.read() as connection:
        row = find_gateway(connection, "gw-1")
    assert row is not None
    assert row.confirmed_version < wanted, "it has been told, and has not yet said that it works with it"
    await gateway.ask(desk)
    with vault.read() as connection:
        row = find_gateway(connection, "gw-1")
    assert row is not None
    assert row.confirmed_version >= wanted


async def test_who_left_is_gone_with_all_cards(vault: Vault, desk: ExchangeDesk) -> None:
    pupil = add_somebody(vault, 1)
    give_card(vault, pupil, CARD)
    gateway = Gateway(vault)
    await gateway.ask(desk)
    with vault.begin() as connection:
        roster.change_pupil(vault, connection, pupil, state="left")
        roster.bump(connection)
    await gateway.ask(desk)
    assert gateway.map is not None
    assert gateway.map.find(CARD) is None
    assert gateway.content == ({}, {})


async def test_a_birthday_is_a_change(vault: Vault, desk: ExchangeDesk, clock: list[int]) -> None:
    add_somebody(vault, 1, born="2012-09-11", purposes=("health", "sport"))
    gateway = Gateway(vault)
    before = await gateway.ask(desk)
    clock.append(NOW_MS + DAY_MS)
    after = await gateway.ask(desk)
    assert (before.people[0].heart_rate_max, after.people[0].heart_rate_max) == (198.9, 198.2)
    assert after.base == before.version < after.version


async def test_only_the_purposes_that_it_is_for(vault: Vault, desk: ExchangeDesk) -> None:
    add_somebody(vault, 1)
    add_somebody(vault, 2, purposes=())
    canteen = Gateway(vault, purposes=("nutrition",))
    update = await canteen.ask(desk)
    assert [sorted(one.permits) for one in sorted(update.people, key=lambda one: len(one.permits))] == [
        [],
        ["nutrition"],
    ], "whoever has not agreed is known, so that what they leave is dropped and not anonymous"


async def test_two_gateways_and_two_epochs_share_no_value(vault: Vault, desk: ExchangeDesk) -> None:
    for number in range(6):
        give_card(vault, add_somebody(vault, number), f"04A2B31C5D6E{number:02X}")
    gate, canteen = Gateway(vault, "gate", ("access",)), Gateway(vault, "canteen", ("nutrition",))
    updates = [await gate.ask(desk), await canteen.ask(desk)]
    with vault.begin() as connection:
        roster.begin_epoch(connection, "2027-28", NOW_MS)
        roster.bump(connection)
    updates.append(await gate.ask(desk))
    assert updates[-1].base == 0
    values = [
        {one.slot for one in update.people}
        | set(update.credentials)
        | {permit.pseudonym for one in update.people for permit in one.permits.values()}
        | {update.blinding_key}
        for update in updates
    ]
    assert not values[0] & values[1]
    assert not values[0] & values[2]


async def test_after_a_restart_and_for_another_generation_the_whole_map(vault: Vault) -> None:
    add_somebody(vault, 1)
    gateway = Gateway(vault)
    desk = ExchangeDesk(vault)
    await gateway.ask(desk)
    desk.close()
    desk = ExchangeDesk(vault)
    assert (await gateway.ask(desk)).base == 0
    assert (await gateway.ask(desk)).base > 0
    gateway.signer = Signer(Ed25519PrivateKey.generate())
    with vault.begin() as connection:
        replace_gateway(connection, "gw-1", gateway.signer.public_key, None, NOW_MS)
    before = gateway.map
    update = await gateway.ask(desk)
    assert update.base == 0
    assert before is not None
    assert update.blinding_key != before.blinding_key
    desk.close()
    with vault.read() as connection:
        assert len(find(connection, action="map_whole")) == 1
        assert len(find(connection, action="map_first")) == 2


async def test_a_version_of_the_future_confirms_nothing(vault: Vault, desk: ExchangeDesk) -> None:
    gateway = Gateway(vault)
    assert (await gateway.ask(desk, have=900)).base == 0
    with vault.read() as connection:
        row = find_gateway(connection, "gw-1")
    assert row is not None
    assert row.confirmed_version == 0


async def test_who_may_not_ask(vault: Vault, desk: ExchangeDesk) -> None:
    gateway, seal = Gateway(vault), Seal()
    question = gateway.question(seal)
    good = wrap_question(question, gateway.signer)
    stranger = Signer(Ed25519PrivateKey.generate())
    signed = gateway.signer.wrap
    assert await refusal(desk, b"nothing") == (400, "bad question")
    assert await refusal(desk, signed(Kind.BATCH, b"")) == (400, "bad question")
    assert await refusal(desk, signed(Kind.VAULT_QUESTION, b"\xff")) == (400, "bad question")
    assert await refusal(desk, wrap_question(question, stranger)) == (401, "unknown key")
    assert await refusal(desk, good[:-1] + bytes([good[-1] ^ 1])) == (401, "wrong signature")
    elsewhere = gateway.question(seal, school="another")
    assert await refusal(desk, wrap_question(elsewhere, gateway.signer)) == (403, "not for this key")
    assert await refusal(desk, wrap_question(question, COLLECTOR)) == (403, "not for this key")
    another = MapQuestion(SCHOOL, "gw-2", new_nonce(), seal.reply_key)
    assert await refusal(desk, wrap_question(another, gateway.signer)) == (403, "not for this key")
    directory = DirectoryQuestion(SCHOOL, new_nonce(), seal.reply_key)
    assert await refusal(desk, wrap_question(directory, gateway.signer)) == (403, "not for this key")
    weak = MapQuestion(SCHOOL, "gw-1", new_nonce(), bytes(32))
    assert await refusal(desk, wrap_question(weak, gateway.signer)) == (400, "bad question")
    assert await desk.answer(good)
    with vault.begin() as connection:
        revoke_gateway(connection, "gw-1")
    assert await refusal(desk, good) == (403, "revoked")
    with vault.read() as connection:
        refused = find(connection, action="exchange_refused")
    assert {row.actor for row in refused} == {"stranger", "gateway:gw-1", "collector"}
    assert len(refused) == 7, "each reason once a minute"


async def test_a_vault_without_a_collector_knows_none(tmp_path: Path) -> None:
    with make_vault(tmp_path) as vault:
        desk = ExchangeDesk(vault)
        question = DirectoryQuestion(SCHOOL, new_nonce(), Seal().reply_key)
        assert await refusal(desk, wrap_question(question, COLLECTOR)) == (401, "unknown key")
        desk.close()


async def test_too_often_and_too_many(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [0.0]
    desk = ExchangeDesk(vault, Rates(lambda: now_s[-1]))
    gateway, other = Gateway(vault), Gateway(vault, "gw-2")
    for _ in range(desk_module.GATEWAY_RATE.burst):
        await gateway.ask(desk)
    body = wrap_question(gateway.question(Seal()), gateway.signer)
    assert await refusal(desk, body) == (429, "too often")
    await other.ask(desk)
    now_s.append(desk_module.GATEWAY_RATE.every_s)
    assert await desk.answer(body)
    for _ in range(desk_module.STRANGER_RATE.burst):
        stranger = wrap_question(gateway.question(Seal()), Signer(Ed25519PrivateKey.generate()))
        last = await refusal(desk, stranger)
    assert last == (401, "unknown key")
    assert await refusal(desk, stranger) == (429, "too often")
    await other.ask(desk)
    monkeypatch.setattr(desk_module, "WAITING_MAX", 0)
    assert await refusal(desk, body) == (503, "busy")
    desk.close()


def test_the_table_of_rates_is_bounded() -> None:
    rates = Rates(lambda: 0.0, askers_max=3)
    rate = Rate(1, 1.0)
    assert [rates.take(asker, rate) for asker in "aabcd"] == [True, False, True, True, True]
    assert rates.take("a", rate), "forgotten, since three others came after"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200) | st.builds(msgspec.msgpack.encode, questions), st.sampled_from(SIGNERS))
def test_whatever_is_sent_is_answered_or_refused(vault: Vault, payload: bytes, signer: Signer | None) -> None:
    async def send() -> None:
        desk = ExchangeDesk(vault, Rates(lambda: 0.0, askers_max=0))
        body = payload if signer is None else signer.wrap(Kind.VAULT_QUESTION, payload)
        try:
            assert await desk.answer(body)
        except ExchangeRefusedError as refused:
            assert refused.status in {400, 401, 403}  # noqa: PT017
        finally:
            desk.close()

    with vault.begin() as connection:
        if find_gateway(connection, "gw-1") is None:
            add_gateway(connection, "gw-1", GATEWAY.public_key, ("health",), NOW_MS)
    asyncio.run(send())


async def test_an_answer_that_is_too_large_is_refused(
    vault: Vault, desk: ExchangeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk_module, "MESSAGE_BYTES_MAX", 10)
    gateway = Gateway(vault)
    body = wrap_question(gateway.question(Seal()), gateway.signer)
    assert await refusal(desk, body) == (503, "too large")


async def test_the_collector_has_class_lists_without_names(vault: Vault, desk: ExchangeDesk) -> None:
    ids = [add_somebody(vault, number) for number in range(8)]
    add_somebody(vault, 8, purposes=("nutrition",))
    found = await ask_directory(desk, vault)
    assert found.classes is not None
    assert [(one.class_id, one.zh, one.size) for one in found.classes] == [("3-2", "3-2 班", 9)]
    assert set(found.classes[0].pseudonyms) == {
        vault.pseudonyms.make("health", "2026-27", id_) for id_ in ids
    }
    assert found.classes[0].pseudonyms == sorted(found.classes[0].pseudonyms), "in no order of the roster"
    assert (await ask_directory(desk, vault, have=found.version)).classes is None
    add_somebody(vault, 9)
    assert (await ask_directory(desk, vault, have=found.version)).classes is not None


async def test_an_erasure_goes_round(vault: Vault, desk: ExchangeDesk) -> None:
    pupil = add_somebody(vault, 1)
    give_card(vault, pupil, CARD)
    gateway = Gateway(vault)
    await gateway.ask(desk)
    with vault.begin() as connection:
        receipt = receipts.add(connection, "erasure", pupil, NOW_MS, receipts.Detail())
        order = orders.make_erasure(vault, connection, pupil, receipt)
        roster.remove_pupil(connection, pupil)
    wanted = vault.pseudonyms.make("health", "2026-27", pupil)
    told = await ask_directory(desk, vault)
    assert [(one.id, one.kind) for one in told.orders] == [(order, "erase")]
    assert wanted in told.orders[0].pseudonyms
    assert (await ask_directory(desk, vault, done=[OrderReport(order, {"morning_checks": 3})])).orders == []
    update = await gateway.ask(desk)
    assert wanted in Forgotten(update.blinding_key, update.erased)
    assert len(update.people_gone) == 1
    assert gateway.map is not None
    assert gateway.map.find(CARD) is None
    assert (await gateway.ask(desk)).erased == [], "confirmed by all, and forgotten"


async def test_on_either_database(any_vault: Vault) -> None:
    desk = ExchangeDesk(any_vault)
    pupils = [add_somebody(any_vault, number) for number in range(16)]
    give_card(any_vault, pupils[0], CARD)
    gateway = Gateway(any_vault)
    await gateway.ask(desk)
    give_card(any_vault, pupils[1], "04FFEEDDCCBBAA")
    assert (await gateway.ask(desk)).base > 0
    assert gateway.map is not None
    assert gateway.map.find("04FFEEDDCCBBAA") is not None
    called = [
        [any_vault.pseudonyms.make(purpose, "2026-27", pupil) for pupil in pupils]
        for purpose in ("health", "nutrition")
    ]
    question = JoinQuestion(SCHOOL, b"", b"", "health", called[0][:6], "nutrition", {"dish": called[1][3:12]})
    for _ in range(2):
        with any_vault.read() as connection:
            found = consider(any_vault, connection, question)
        with any_vault.begin() as connection:
            remember(any_vault, connection, found)
        assert found.answer.exposures == {"dish": Exposure(3, 3, 9)}
    desk.close()
