"""Client certificates at the listener of posts: whose connection may carry whose envelopes."""

from __future__ import annotations

import asyncio
import socket
import ssl
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from structlog.testing import capture_logs

from collector.enrolment.authority import Authority
from collector.enrolment.certificates import CERTIFICATE_DAYS
from collector.enrolment.keeper import WARN_MS
from telemetry.enrolment import ENROL_PATH
from telemetry.posting import CONTENT_TYPE, Place, pack
from tests.collector.conftest import MakeLab, Sender
from tests.enrolment.enrolling import DAY_MS, GATEWAY, Box, Site, public, site_of, wall_ms


async def by_hand(site: Site, box: Box, gateway: str = "gw-hand") -> Box:
    row = replace(Sender(gateway).row, public_key=public(box), key_id=box.key_id)
    await asyncio.to_thread(site.lab.records.add_gateway, row)
    await site.knows(box)
    return box


def pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode("ascii")


async def test_a_gateway_with_a_certificate_must_show_its_own(desk: Site) -> None:
    box, other = await desk.enrolled(), await desk.enrolled(gateway="gw-2")
    assert (await desk.report(box, shows=box)).status_code == 200
    bare = await desk.report(box)
    assert bare.status_code == 401
    assert "must show it" in bare.json()["detail"]
    foreign = await desk.report(box, shows=other)
    assert foreign.status_code == 403
    assert desk.lab.overview.refusals == {"no_certificate": 1, "foreign_certificate": 1}
    # A thief of the certificate's key has not got the envelopes' key.
    stolen = Box()
    stolen.certificate, stolen.tls_key = box.certificate, box.tls_key
    assert (await desk.report(stolen, shows=stolen)).status_code == 401


async def test_a_gateway_registered_by_hand_needs_none_but_shows_no_other(desk: Site) -> None:
    box, hand = await desk.enrolled(), await by_hand(desk, Box())
    assert (await desk.report(hand, "gw-hand")).status_code == 200
    assert (await desk.report(hand, "gw-hand", shows=box)).status_code == 403


async def test_all_must_show_one_where_that_is_required(make_lab: MakeLab, tmp_path: Path) -> None:
    async with site_of(await make_lab(), tmp_path, client_certificates="required") as site:
        hand = await by_hand(site, Box())
        assert (await site.report(hand, "gw-hand")).status_code == 401
        box = await site.enrolled()
        assert (await site.report(box, shows=box)).status_code == 200


async def test_certificates_of_others_end_with_the_handshake(desk: Site, tmp_path: Path) -> None:
    """Of another authority, ended, or made for a server: such a connection asks nothing at all."""
    box = await desk.enrolled()
    other = Authority.open(tmp_path / "other", wall_ms())
    key = box.tls_key.public_key()
    key_pem, server = desk.authority.issue_own("x", ["127.0.0.1"], "server", wall_ms())
    past_ms = wall_ms() - (CERTIFICATE_DAYS + 1) * DAY_MS
    for certificate in (
        other.issue_gateway("example-primary", GATEWAY, key, wall_ms()),
        desk.authority.issue_gateway("example-primary", GATEWAY, key, past_ms),
    ):
        box.certificate = pem(certificate)
        with pytest.raises((httpx.TransportError, ssl.SSLError)):
            await desk.post(ENROL_PATH, b"", box=box)
    files = tmp_path / "s.pem", tmp_path / "s.key"
    files[0].write_text(pem(server))
    files[1].write_bytes(key_pem)
    context = ssl.create_default_context(cafile=str(desk.authority.certificate_file))
    context.load_cert_chain(*files)
    async with httpx.AsyncClient(verify=context) as client:
        with pytest.raises((httpx.TransportError, ssl.SSLError)):
            await client.post(f"{desk.intake.url}{ENROL_PATH}")
    assert desk.lab.count("campus_intake_http_refused_total", reason="handshake") == 3


async def test_a_resumed_session_still_shows_who_it_is(desk: Site) -> None:
    """And one that was begun before a certificate was revoked does not outlive it."""
    box = await desk.enrolled()
    context = ssl.create_default_context(cafile=str(desk.authority.certificate_file))
    context.load_cert_chain(*box.files(desk.folder / "boxes"))
    message = box.sender().status()
    host, port = desk.intake.url.removeprefix("https://").split(":")

    def post(session: ssl.SSLSession | None) -> tuple[bytes, ssl.SSLSession | None, bool]:
        body = pack([message.data])
        path = Place("example-primary", GATEWAY, "bulk").path
        head = (
            f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: {CONTENT_TYPE}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        with (
            socket.create_connection((host, int(port)), 20) as plain,
            context.wrap_socket(plain, server_hostname=host, session=session) as tls,
        ):
            tls.sendall(head.encode() + body)
            answer = tls.recv(4096)
            return answer[:12], tls.session, bool(tls.session_reused)

    answer, session, _ = await asyncio.to_thread(post, None)
    assert answer == b"HTTP/1.1 200"
    answer, session, reused = await asyncio.to_thread(post, session)
    assert (answer, reused) == (b"HTTP/1.1 200", True)
    await desk.enrolled(box, replaces=True)
    answer, _, reused = await asyncio.to_thread(post, session)
    assert (answer, reused) == (b"HTTP/1.1 403", True)


async def test_what_ends_soon_is_told(desk: Site) -> None:
    await desk.enrolled()
    [certificate] = await desk.certificates()
    labels = {"school": "example-primary", "gateway": GATEWAY}
    with capture_logs() as logs:
        await desk.keeper.round()
        desk.ahead_ms = certificate.not_after_ms - WARN_MS - wall_ms() - 60_000
        await desk.keeper.round()
        assert not [one for one in logs if one["log_level"] == "warning"]
        desk.ahead_ms += 120_000
        await desk.keeper.round()
        await desk.keeper.round()
        assert [one["event"] for one in logs if one["log_level"] == "warning"] == [
            "a gateway's certificate ends soon",
            "the certificate of [intake_http] ends soon, then no gateway posts; renew it and restart",
        ]
        desk.ahead_ms = desk.authority.not_after_ms - wall_ms() - 300 * DAY_MS
        await desk.keeper.round()
    assert logs[-1]["event"].startswith("the authority's certificate ends soon")
    assert desk.lab.count("campus_gateway_certificate_expires", **labels) == certificate.not_after_ms / 1000
    await asyncio.to_thread(desk.lab.records.revoke_gateway, "example-primary", GATEWAY, wall_ms())
    await desk.reread()
    await desk.keeper.round()
    assert desk.lab.registry.get_sample_value("campus_gateway_certificate_expires", labels) is None


async def test_a_list_that_cannot_be_written_is_told_once_and_written_later(
    desk: Site, tmp_path: Path
) -> None:
    await desk.enrolled()
    await asyncio.to_thread(desk.lab.records.revoke_gateway, "example-primary", GATEWAY, wall_ms())
    desk.authority.crl_file = tmp_path / "away" / "crl.pem"
    for _ in range(2):
        with pytest.raises(OSError, match="No such file"):
            await desk.keeper.round()
    desk.authority.crl_file.parent.mkdir()
    await desk.keeper.round()
    assert len(desk.revoked_in_crl()) == 1
