"""Enrolment by a code at the collector, over TLS: who gets in, who does not, and what a guesser finds."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from collector.enrolment.issuing import Directions
from collector.enrolment.registrar import InvitationError
from collector.intake.http_callers import Caller, fingerprint_of
from collector.records import enrolment
from collector.records.enrolment_tables import enrolment_failures
from foundation.keyfiles import public_text
from telemetry.enrolment import CODE_LIFE_MS, ENROL_PATH, ROTATE_PATH, Question, encode
from tests.collector.conftest import SCHOOL, MakeLab, Sender
from tests.collector.record_databases import on_both
from tests.enrolment.enrolling import (
    DAY_MS,
    GATEWAY,
    URL,
    Box,
    Site,
    code_key,
    csr,
    public,
    site_of,
    wall_ms,
)


@on_both
async def test_a_code_makes_a_gateway_that_may_send(desk: Site) -> None:
    code, box = await desk.invite(), Box()
    question = box.question(code, desk.shown)
    answer = desk.opened(await desk.ask(question), code, question)
    assert (answer.school, answer.gateway, answer.https) == (SCHOOL, GATEWAY, URL)
    assert answer.mqtt is not None
    assert (answer.mqtt.host, answer.mqtt.username) == ("broker.campus.example", f"{SCHOOL}/{GATEWAY}")
    assert answer.vault is None
    assert answer.collector_public_key == public_text(desk.lab.key.public_key())
    certificate = x509.load_pem_x509_certificate(answer.certificate.encode())
    certificate.verify_directly_issued_by(desk.authority.certificate)
    assert certificate.public_key() == box.tls_key.public_key()
    assert answer.authority == desk.authority.pem
    assert desk.key_of() == public(box)
    box.certificate = answer.certificate
    await desk.knows(box)
    assert (await desk.report(box, shows=box)).status_code == 200
    assert ("tester", "gateway.enrol", f"{SCHOOL}/{GATEWAY}", f"key {box.key_id}") in desk.notes
    [kept] = await desk.certificates()
    assert kept.fingerprint == fingerprint_of(certificate).hex()


async def test_a_code_works_once_but_a_lost_answer_is_given_again(desk: Site) -> None:
    code, box = await desk.invite(), Box()
    question = box.question(code, desk.shown)
    first = await desk.ask(question)
    assert (await desk.ask(question)).content == first.content
    # Asked anew with the same keys: the same certificate, for the question that was asked.
    again = box.question(code, desk.shown)
    assert (
        desk.opened(await desk.ask(again), code, again).certificate
        == desk.opened(first, code, question).certificate
    )
    assert len(await desk.certificates()) == 1
    other = await desk.ask(Box().question(code, desk.shown))
    assert other.status_code == 403
    assert "wrong, used, or older than 15 minutes" in other.json()["detail"]
    # Who saw the code and knows the public key gets no certificate for a key of their own.
    stolen = Box()
    stolen.key = box.key
    assert (await desk.ask(stolen.question(code, desk.shown))).status_code == 403
    desk.ahead_ms = CODE_LIFE_MS + 1
    assert (await desk.ask(question)).status_code == 403


async def test_of_two_boxes_with_one_code_one_gets_in(desk: Site) -> None:
    code, boxes = await desk.invite(), [Box() for _ in range(4)]
    answers = await asyncio.gather(*(desk.ask(box.question(code, desk.shown)) for box in boxes))
    assert sorted(one.status_code for one in answers) == [200, 403, 403, 403]
    winner = boxes[[one.status_code for one in answers].index(200)]
    assert desk.key_of() == public(winner)
    assert len(await desk.certificates()) == 1


async def test_whoever_stands_between_is_found_out(desk: Site) -> None:
    """It shows a certificate of its own and passes on what it hears; its question or its answer fits nobody."""
    code, box = await desk.invite(), Box()
    _, between = desk.authority.issue_own("between", ["127.0.0.1"], "server", wall_ms())
    heard = box.question(code, fingerprint_of(between))
    assert (await desk.ask(heard)).status_code == 403
    # Nor with the key in it exchanged.
    good = box.question(code, desk.shown)
    fields = {name: getattr(good, name) for name in Question.__struct_fields__}
    for change in (
        {"public_key": Box().key.public_key().public_bytes_raw()},
        {"request": csr(Box().tls_key)},
        {"nonce": bytes(16)},
        {"software": "9"},
    ):
        assert (await desk.ask(Question(**fields | change))).status_code == 403
    assert desk.lab.records.list_gateways() == []


async def test_time_ends_a_code_whatever_the_clock_does(desk: Site) -> None:
    code, box = await desk.invite(), Box()
    desk.ahead_ms = CODE_LIFE_MS
    assert (await desk.ask(box.question(code, desk.shown))).status_code == 403
    # A clock that was ahead when the code was made, and is put right.
    desk.ahead_ms = DAY_MS
    code = await desk.invite()
    desk.ahead_ms = 0
    assert (await desk.ask(box.question(code, desk.shown))).status_code == 403
    # The one that comes next ends it for good.
    newer = await desk.invite()
    desk.ahead_ms = DAY_MS
    assert (await desk.ask(box.question(code, desk.shown))).status_code == 403
    desk.ahead_ms = 0
    assert (await desk.ask(box.question(newer, desk.shown))).status_code == 200


async def test_a_collector_without_the_time_gives_no_certificate(desk: Site) -> None:
    code = await desk.invite()
    desk.ahead_ms = -wall_ms()
    with pytest.raises(InvitationError, match="does not know the time"):
        await desk.invite("gw-2")
    answer = await desk.ask(Box().question(code, desk.shown))
    assert answer.status_code == 503
    assert "time" in answer.json()["detail"]


async def test_a_gateway_that_is_registered_is_only_replaced(desk: Site) -> None:
    old = await desk.enrolled()
    with pytest.raises(InvitationError, match="registered already"):
        await desk.invite()
    with pytest.raises(InvitationError, match="nothing to replace"):
        await desk.invite("gw-302", replaces=True)
    [before] = await desk.certificates()
    new = await desk.enrolled(replaces=True)
    assert desk.key_of() == public(new)
    [after] = await desk.certificates()
    assert after.serial != before.serial
    await desk.keeper.round()
    assert desk.revoked_in_crl() == {int(before.serial, 16)}
    assert (await desk.report(old, shows=old)).status_code == 401
    assert (await desk.report(new, shows=new)).status_code == 200
    # The old box is put back, with the key it had: a key does not come back.
    code = await desk.invite(replaces=True)
    answer = await desk.ask(old.question(code, desk.shown))
    assert answer.status_code == 409
    assert "make a new one" in answer.json()["detail"]
    # The code is not lost by that.
    old.key = Box().key
    assert (await desk.ask(old.question(code, desk.shown))).status_code == 200


async def test_a_gateway_registered_meanwhile_is_not_taken_over(desk: Site) -> None:
    code = await desk.invite()
    by_hand = Sender(GATEWAY)
    await asyncio.to_thread(desk.lab.records.add_gateway, by_hand.row)
    answer = await desk.ask(Box().question(code, desk.shown))
    assert answer.status_code == 409
    assert desk.key_of() == by_hand.row.public_key


async def test_a_revoked_gateway_comes_back_by_a_code_only(desk: Site) -> None:
    box = await desk.enrolled()
    open_code = await desk.invite(replaces=True)
    await desk.lab.records.run(
        partial(desk.registrar.revoke, school=SCHOOL, gateway=GATEWAY, by="tester", now_ms=wall_ms())
    )
    await desk.reread()
    assert (await desk.report(box, shows=box)).status_code == 403
    assert (await desk.ask(Box().question(open_code, desk.shown))).status_code == 403, "it ended with it"
    # With another key: a reason for revoking it may be that somebody has it.
    code = await desk.invite(replaces=True)
    assert (await desk.ask(box.question(code, desk.shown))).status_code == 409
    new = await desk.enrolled(replaces=True)
    assert (await desk.report(new, shows=new)).status_code == 200


async def test_the_same_box_set_up_anew_may_keep_its_key(desk: Site) -> None:
    box = await desk.enrolled()
    [before] = await desk.certificates()
    again = Box()
    again.key = box.key
    await desk.enrolled(again, replaces=True)
    assert desk.key_of() == public(box)
    assert (await desk.report(box, shows=again)).status_code == 200
    assert (await desk.report(box, shows=box)).status_code == 403
    assert before.serial not in {one.serial for one in await desk.certificates()}


async def test_a_key_of_another_gateway_is_refused(desk: Site) -> None:
    box = await desk.enrolled()
    code = await desk.invite("gw-2")
    thief = Box()
    thief.key = box.key
    assert (await desk.ask(thief.question(code, desk.shown))).status_code == 409
    assert [one.id for one in desk.lab.records.list_gateways()] == [GATEWAY]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"nonce": bytes(15)}, "16 bytes"),
        ({"public_key": bytes(31)}, "32 bytes"),
        ({"request": b"rubbish"}, "cannot be read"),
        ({"request": csr(ec.generate_private_key(ec.SECP521R1()))}, "P-256, P-384"),
    ],
)
async def test_a_question_that_cannot_be_meant_costs_no_code(
    desk: Site, changes: dict[str, bytes], words: str
) -> None:
    code, box = await desk.invite(), Box()
    answer = await desk.ask(box.question(code, desk.shown, **changes))
    assert answer.status_code == 422
    assert words in answer.json()["detail"]
    assert (await desk.ask(box.question(code, desk.shown))).status_code == 200


async def test_one_key_for_both_uses_is_refused(desk: Site) -> None:
    code, box = await desk.invite(), Box()
    answer = await desk.ask(box.question(code, desk.shown, request=csr(box.key)))
    assert answer.status_code == 422
    assert "must be two" in answer.json()["detail"]


async def test_invitations_are_few_and_the_code_is_nowhere(
    desk: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collector.enrolment.registrar.OPEN_MAX", 4)
    codes = [await desk.invite(f"gw-{n}") for n in range(4)]
    with pytest.raises(InvitationError, match="are open"):
        await desk.invite("gw-more")
    newer = await desk.invite("gw-0")
    box = Box()
    assert (await desk.ask(box.question(codes[0], desk.shown))).status_code == 403
    assert (await desk.ask(box.question(newer, desk.shown))).status_code == 200
    kept = b"".join(file.read_bytes() for file in desk.folder.rglob("*") if file.is_file())
    for code in (*codes, newer):
        for form in (code, code.replace("-", "")):
            assert form.encode() not in kept
        assert code_key(code) not in kept
        assert code not in repr(desk.notes)


async def test_ids_that_no_certificate_can_name_are_refused_at_once(desk: Site) -> None:
    for school, gateway in ((SCHOOL, "GW"), ("../x", GATEWAY), ("s" * 40, "g" * 40)):
        with pytest.raises(InvitationError):
            await desk.invite(gateway, school=school)


async def test_the_vault_is_told_to_its_own_school_only(make_lab: MakeLab, tmp_path: Path) -> None:
    told = Directions(URL, vault=(SCHOOL, "https://vault.example.edu.cn", "key"))
    async with site_of(await make_lab(), tmp_path, directions=told) as site:
        for school, expected in ((SCHOOL, "https://vault.example.edu.cn"), ("other-school", None)):
            code, box = await site.invite("gw-v", school=school), Box()
            question = box.question(code, site.shown)
            answer = site.opened(await site.ask(question), code, question)
            assert (answer.vault, answer.mqtt) == (expected, None)


async def test_what_is_no_question_is_said_to_be_none(desk: Site) -> None:
    for body, status in ((b"", 400), (b"\x93\x01\x02\x03", 400), (bytes(64 * 1024 + 200), 413)):
        answer = await desk.post(ENROL_PATH, body)
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
    assert (await desk.post(ENROL_PATH, b"", content_type="application/json")).status_code == 415
    assert (await desk.post("/api/v1/enrol/", b"")).status_code == 404


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_rubbish_never_is_a_fault(desk: Site, data: st.DataObject) -> None:
    """Bytes, good questions with some bytes changed, and rubbish from somebody who has the code."""
    await desk.lab.records.run(lambda connection: connection.execute(delete(enrolment_failures)))
    desk.desk._unheard.clear()
    if not await desk.lab.records.look(partial(enrolment.current_invitations, now_ms=wall_ms())):
        desk.code = await desk.invite()
    kind = data.draw(st.sampled_from(["bytes", "changed", "proved"]))
    if kind == "bytes":
        body = data.draw(st.binary(max_size=300))
    elif kind == "changed":
        body = _changed(data, _BODY)
    else:
        request = _changed(data, _REQUEST)
        assume(request != _REQUEST)  # with the code and a good request somebody does enrol
        fields = {
            "public_key": data.draw(st.binary(min_size=30, max_size=34)),
            "request": request,
            "nonce": data.draw(st.binary(min_size=15, max_size=17)),
            "software": data.draw(st.text(max_size=5)),
        }
        body = encode(_BOX.question(desk.code, desk.shown, **fields))
    for path in (ENROL_PATH, ROTATE_PATH):
        caller = Caller("203.0.113.1", None, desk.shown)
        reply = await desk.desk._answer(path, body, "203.0.113.1", caller, desk.lab.line.door)
        assert reply.status in {400, 401, 403, 422}
    assert desk.lab.records.list_gateways() == []


_BOX = Box()
_REQUEST = csr(_BOX.tls_key)
_BODY = encode(_BOX.question("K7QM-3XWD", bytes(32)))


def _changed(data: st.DataObject, good: bytes) -> bytes:
    body = bytearray(good)
    # The signature at the end, whose length varies, is left as it is.
    for at in data.draw(st.lists(st.integers(0, 150), min_size=1, max_size=4)):
        body[at] ^= data.draw(st.integers(1, 255))
    return bytes(body)
