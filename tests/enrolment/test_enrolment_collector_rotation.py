"""New keys for a gateway that is known: what stays good meanwhile, and what a replay or a thief gets."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial

import pytest

from collector.enrolment.rotation import FRESH_MS, GRACE_MS
from collector.records import GatewayExistsError, enrolment
from telemetry.envelope import Kind, Signer, open_envelope
from tests.collector.conftest import SCHOOL, Sender, eventually
from tests.collector.record_databases import on_both
from tests.enrolment.enrolling import GATEWAY, Box, Site, csr, public, wall_ms


def certificate_of(box: Box, certificate: str) -> Box:
    box.certificate = certificate
    return box


async def seen_in_use(desk: Site, box: Box) -> None:
    """The box reports, which the line hears, and the keeper does what follows."""
    await desk.reread()
    assert (await desk.report(box, shows=box)).status_code == 200
    await eventually(desk.lab.line.registry.proved)
    await desk.keeper.round()
    await desk.reread()


@on_both
async def test_the_old_key_is_good_until_the_new_one_is_seen_in_use(desk: Site) -> None:
    old, new = await desk.enrolled(), Box()
    [first] = await desk.certificates()
    answer = await desk.rotated(old.rotation(new, wall_ms()), old)
    certificate_of(new, answer.certificate)
    assert (answer.school, answer.gateway) == (SCHOOL, GATEWAY)
    assert desk.key_of() == public(new)
    await desk.knows(new)
    # The old one goes on, as if the answer were still on its way.
    assert (await desk.report(old, shows=old)).status_code == 200
    # A program that has read the new files for TLS and still has the old key in memory proves nothing.
    assert (await desk.report(old, shows=new)).status_code == 200
    await desk.keeper.round()
    assert len(await desk.certificates()) == 2
    await seen_in_use(desk, new)
    assert [one.serial for one in await desk.certificates()] != [first.serial]
    assert desk.revoked_in_crl() == {int(first.serial, 16)}
    assert (await desk.report(old, shows=old)).status_code == 401
    assert (await desk.report(new, shows=old)).status_code == 403
    assert (await desk.report(new, shows=new)).status_code == 200
    assert desk.notes[-1][:2] == (f"{SCHOOL}/{GATEWAY}", "gateway.rotate")


async def test_a_lost_answer_is_given_again(desk: Site) -> None:
    old, new = await desk.enrolled(), Box()
    envelope = old.rotation(new, wall_ms())
    first = await desk.rotated(envelope, old)
    assert await desk.rotated(envelope, old) == first
    # Later, and by the new key too, for a gateway that is not sure which it has.
    desk.ahead_ms = FRESH_MS * 3
    assert await desk.rotated(envelope, old) == first
    await desk.knows(new)
    certificate_of(new, first.certificate)
    again = await desk.rotated(old.rotation(new, 0, signer=new), new)
    assert again.certificate == first.certificate
    assert len(await desk.certificates()) == 2
    assert desk.key_of() == public(new)


async def test_who_lost_the_new_keys_too_asks_with_others(desk: Site) -> None:
    old, lost, new = await desk.enrolled(), Box(), Box()
    [first] = await desk.certificates()
    given = await desk.rotated(old.rotation(lost, wall_ms()), old)
    answer = await desk.rotated(old.rotation(new, wall_ms()), old)
    held = await desk.certificates()
    assert [held[0].serial, len(held)] == [first.serial, 2]
    certificate_of(new, answer.certificate)
    await desk.knows(new)
    certificate_of(lost, given.certificate)
    assert (await desk.report(lost, shows=lost)).status_code == 401
    await seen_in_use(desk, new)
    assert len(await desk.certificates()) == 1


async def test_who_lost_them_goes_on_with_the_old_key(desk: Site) -> None:
    """As when the certificate is renewed before somebody has noticed that the keys were not."""
    old, lost = await desk.enrolled(), Box()
    await desk.rotated(old.rotation(lost, wall_ms()), old)
    renewed = Box()
    renewed.key = old.key
    answer = await desk.rotated(old.rotation(renewed, wall_ms()), old)
    certificate_of(renewed, answer.certificate)
    assert desk.key_of() == public(old)
    await desk.reread()
    assert (await desk.report(old, shows=old)).status_code == 200
    assert (await desk.report(old, shows=renewed)).status_code == 200
    code = await desk.invite("gw-2")
    assert (await desk.ask(lost.question(code, desk.shown))).status_code == 409, "it is nobody's any more"


async def test_a_certificate_alone_is_renewed_and_seen_in_use_by_being_shown(desk: Site) -> None:
    box, renewed = await desk.enrolled(), Box()
    renewed.key = box.key
    answer = await desk.rotated(box.rotation(renewed, wall_ms()), box)
    certificate_of(renewed, answer.certificate)
    assert desk.key_of() == public(box)
    await desk.reread()
    assert (await desk.report(box, shows=box)).status_code == 200
    await desk.keeper.round()
    assert len(await desk.certificates()) == 2, "the key proves nothing: it is the old one too"
    await seen_in_use(desk, renewed)
    assert len(await desk.certificates()) == 1
    assert (await desk.report(box, shows=box)).status_code == 403


async def test_after_a_week_the_old_ones_end(desk: Site) -> None:
    old, new = await desk.enrolled(), Box()
    answer = await desk.rotated(old.rotation(new, wall_ms()), old)
    desk.ahead_ms = GRACE_MS - 60_000
    await desk.reread()
    await desk.keeper.round()
    assert (await desk.report(old, shows=old)).status_code == 200
    desk.ahead_ms = GRACE_MS + 60_000
    await desk.reread()
    await desk.keeper.round()
    await desk.reread()
    assert (await desk.report(old, shows=old)).status_code == 401
    assert (await desk.rotate(old.rotation(Box(), desk.now_ms()), old)).status_code == 401
    certificate_of(new, answer.certificate)
    assert (await desk.report(new, shows=new)).status_code == 200
    assert len(await desk.certificates()) == 1


async def test_evidence_of_one_rotation_ends_nothing_of_the_next(desk: Site) -> None:
    """Seen in use, and before that is written the gateway has taken newer keys: those in use now stay good."""
    old, second, third = await desk.enrolled(), Box(), Box()
    certificate_of(second, (await desk.rotated(old.rotation(second, wall_ms()), old)).certificate)
    await desk.reread()
    assert (await desk.report(second, shows=second)).status_code == 200
    proved = desk.lab.line.registry.proved()
    assert proved
    await desk.rotated(second.rotation(third, wall_ms()), second)
    for one in proved:
        await desk.lab.records.run(partial(desk.registrar.retire, proved=one, now_ms=wall_ms()))
    await desk.reread()
    assert (await desk.report(second, shows=second)).status_code == 200


async def test_a_replayed_question_changes_nothing(desk: Site) -> None:
    old, second, third = await desk.enrolled(), Box(), Box()
    first_envelope = old.rotation(second, wall_ms())
    certificate_of(second, (await desk.rotated(first_envelope, old)).certificate)
    await seen_in_use(desk, second)
    certificate_of(third, (await desk.rotated(second.rotation(third, wall_ms()), second)).certificate)
    await seen_in_use(desk, third)
    for shows in (third, None):
        assert (await desk.rotate(first_envelope, shows)).status_code == 401
    assert desk.key_of() == public(third)
    # Back to a key of before, signed with the one in use.
    assert (await desk.rotate(third.rotation(old, wall_ms()), third)).status_code == 409


@pytest.mark.parametrize("minutes", [-11, 11])
async def test_an_old_question_is_not_taken(desk: Site, minutes: int) -> None:
    box = await desk.enrolled()
    answer = await desk.rotate(box.rotation(Box(), wall_ms() + minutes * 60_000), box)
    assert answer.status_code == 403
    assert "ten minutes apart" in answer.json()["detail"]
    assert desk.key_of() == public(box)


async def test_nobody_takes_keys_for_another(desk: Site) -> None:
    box, other = await desk.enrolled(), await desk.enrolled(gateway="gw-2")
    new, now_ms = Box(), wall_ms()
    stranger = Box()
    stranger.certificate = box.certificate
    claims = {
        401: [
            stranger.rotation(new, now_ms),
            other.rotation(new, now_ms),
            box.rotation(new, now_ms, gateway="gw-2"),
            box.rotation(new, now_ms, school="other-school"),
        ],
        409: [box.rotation(other, now_ms)],
        422: [
            box.rotation(new, now_ms, held=b""),
            box.rotation(new, now_ms, held=bytes(64)),
            box.rotation(new, now_ms, held=stranger.key.sign(b"x")),
            box.rotation(new, now_ms, request=csr(new.tls_key)[:-3]),
            box.rotation(new, now_ms, request=csr(new.key)),
            box.rotation(new, now_ms, nonce=b"short"),
        ],
        400: [
            Signer(box.key).wrap(Kind.STATUS, b""),
            Signer(box.key).wrap(Kind.ROTATION, b"rubbish"),
            b"rubbish",
        ],
    }
    for status, envelopes in claims.items():
        for envelope in envelopes:
            assert (await desk.rotate(envelope, box)).status_code == status, open_envelope(envelope)
    # The signature of the envelope, and somebody else's certificate beside it.
    assert (await desk.rotate(box.rotation(new, now_ms), other)).status_code == 403
    assert (await desk.rotate(box.rotation(new, now_ms), None)).status_code == 401
    assert [desk.key_of(), desk.key_of("gw-2")] == [public(box), public(other)]


async def test_a_revoked_gateway_takes_no_keys(desk: Site) -> None:
    box = await desk.enrolled()
    envelope = box.rotation(Box(), wall_ms())
    await asyncio.to_thread(desk.lab.records.revoke_gateway, SCHOOL, GATEWAY, wall_ms())
    # Also before the line has read of it: the database decides.
    assert (await desk.rotate(envelope, box)).status_code == 403
    await desk.reread()
    assert (await desk.rotate(envelope, None)).status_code == 403
    assert await desk.certificates() == []
    await desk.keeper.round()
    assert len(desk.revoked_in_crl()) == 1


async def test_a_gateway_registered_by_hand_gets_its_first_certificate(desk: Site) -> None:
    box, new = Box(), Box()
    row = replace(Sender(GATEWAY).row, public_key=public(box), key_id=box.key_id)
    await asyncio.to_thread(desk.lab.records.add_gateway, row)
    await desk.knows(box)
    answer = await desk.rotated(box.rotation(new, wall_ms()), None)
    await desk.reread()
    assert (await desk.report(box)).status_code == 200, "whose answer may be lost"
    certificate_of(new, answer.certificate)
    assert (await desk.report(new)).status_code == 401
    await seen_in_use(desk, new)
    assert (await desk.report(box)).status_code == 401


async def test_certificates_of_a_day_are_bounded(desk: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collector.enrolment.rotation.ISSUED_A_DAY_MAX", 4)
    box = await desk.enrolled()
    renewed = Box()
    renewed.key = box.key
    for n in range(4):
        renewed.tls_key = Box().tls_key
        answer = await desk.rotate(box.rotation(renewed, wall_ms()), box)
        assert answer.status_code == (200 if n < 3 else 429)
    assert answer.headers["retry-after"] == "3600"
    held = await desk.certificates()
    assert [one.issued_ms for one in held] == sorted({one.issued_ms for one in held})


async def test_keys_that_were_somebodys_never_come_back_by_hand(desk: Site) -> None:
    old, new = await desk.enrolled(), Box()
    await desk.rotated(old.rotation(new, wall_ms()), old)
    row = replace(Sender("gw-2").row, public_key=public(old), key_id=old.key_id)
    with pytest.raises(GatewayExistsError, match="never comes back"):
        await asyncio.to_thread(desk.lab.records.add_gateway, row)
    assert await desk.lab.records.look(partial(enrolment.owner_of_key, key_id=old.key_id)) == (
        SCHOOL,
        GATEWAY,
    )
