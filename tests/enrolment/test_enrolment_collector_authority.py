"""The school's certificate authority: what it signs, what it never signs, and its files."""

from __future__ import annotations

import stat
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.enrolment.authority import Authority, AuthorityError
from collector.enrolment.certificates import (
    CERTIFICATE_DAYS,
    CRL_DAYS,
    RequestError,
    key_of_request,
    parse_names,
)
from foundation.keyfiles import KeyFileError
from tests.enrolment.enrolling import DAY_MS, GATEWAY, csr, wall_ms

SCHOOL = "example-primary"
P256 = ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.open(tmp_path / "authority", wall_ms())


def openssl(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["openssl", *map(str, arguments)], capture_output=True, text=True, timeout=30, check=False
    )


def test_openssl_takes_what_it_signs_for_its_use_only(authority: Authority, tmp_path: Path) -> None:
    files = {}
    gateway = authority.issue_gateway(SCHOOL, GATEWAY, P256.public_key(), wall_ms())
    _, server = authority.issue_own("pulse", ["pulse.campus.example", "10.1.2.3", "::1"], "server", wall_ms())
    for name, one in (("gateway", gateway), ("server", server)):
        files[name] = tmp_path / f"{name}.pem"
        files[name].write_bytes(one.public_bytes(Encoding.PEM))
    trust = (
        "-CAfile",
        authority.certificate_file,
        "-x509_strict",
        "-crl_check",
        "-CRLfile",
        authority.crl_file,
    )
    for name, purpose, good in (
        ("gateway", "sslclient", True), ("gateway", "sslserver", False),
        ("server", "sslserver", True), ("server", "sslclient", False),
    ):  # fmt: skip
        found = openssl("verify", *trust, "-purpose", purpose, files[name])
        assert (found.returncode == 0) == good, (name, purpose, found.stderr)
    assert openssl("verify", *trust, "-verify_ip", "10.1.2.3", files["server"]).returncode == 0
    assert openssl("verify", *trust, "-verify_hostname", "other.example", files["server"]).returncode != 0
    authority.write_crl([(f"{gateway.serial_number:x}", wall_ms())], wall_ms())
    refused = openssl("verify", *trust, files["gateway"])
    assert refused.returncode != 0
    assert "revoked" in refused.stderr
    assert openssl("verify", *trust, files["server"]).returncode == 0


def test_what_stands_in_a_gateways_certificate(authority: Authority) -> None:
    """Names, uses and length are ours, whatever the request wishes."""
    wishes = (
        x509.BasicConstraints(ca=True, path_length=None),
        x509.SubjectAlternativeName([x509.DNSName("pulse.campus.example")]),
        x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]),
    )
    key = key_of_request(csr(P256, "other-school/gw-1", *wishes))
    made = authority.issue_gateway(SCHOOL, GATEWAY, key, wall_ms())
    [name] = made.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert name.value == f"{SCHOOL}/{GATEWAY}"
    extensions = made.extensions
    assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.CLIENT_AUTH
    ]
    names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [one.value for one in names] == [f"urn:campus-pulse:{SCHOOL}:{GATEWAY}"]
    assert (made.not_valid_after_utc - made.not_valid_before_utc).days == CERTIFICATE_DAYS + 1
    assert len(f"{made.serial_number:x}") <= 32
    with pytest.raises(ValueError, match="longer than"):
        authority.issue_gateway("s" * 40, "g" * 40, key, wall_ms())


def test_nothing_is_good_for_longer_than_the_authority(authority: Authority) -> None:
    late_ms = authority.not_after_ms - 10 * DAY_MS
    made = authority.issue_gateway(SCHOOL, GATEWAY, P256.public_key(), late_ms)
    assert made.not_valid_after_utc == authority.certificate.not_valid_after_utc


def test_keys_that_get_a_certificate_and_keys_that_get_none() -> None:
    good: list[Any] = [
        P256, ec.generate_private_key(ec.SECP384R1()), Ed25519PrivateKey.generate(),
        rsa.generate_private_key(65537, 2048),
    ]  # fmt: skip
    for key in good:
        assert key_of_request(csr(key)) == key.public_key()
    for bad in (ec.generate_private_key(ec.SECP521R1()), rsa.generate_private_key(65537, 1024)):
        with pytest.raises(RequestError, match="the key must be"):
            key_of_request(csr(bad))
    with pytest.raises(RequestError, match="the key must be"):
        key_of_request(csr(Ed448PrivateKey.generate()))


def test_a_request_for_somebody_elses_key_gets_none() -> None:
    """The key's owner has signed something else: the signature of the request does not fit."""
    other = ec.generate_private_key(ec.SECP256R1())
    numbers = [
        one.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint) for one in (P256, other)
    ]
    request = csr(other)
    assert numbers[1] in request
    with pytest.raises(RequestError, match="not signed with the key"):
        key_of_request(request.replace(numbers[1], numbers[0]))


@settings(max_examples=150, deadline=None)
@given(at=st.lists(st.tuples(st.integers(0, 200), st.integers(1, 255)), min_size=1, max_size=5))
def test_a_request_with_changed_bytes_is_refused_in_words(at: list[tuple[int, int]]) -> None:
    request = bytearray(_REQUEST)
    for place, change in at:
        request[place] ^= change
    try:
        key = key_of_request(bytes(request))
    except RequestError:
        return
    assert bytes(request) == _REQUEST or key == P256.public_key()


def test_a_request_of_another_version_is_refused_in_words() -> None:
    assert _REQUEST.count(b"\x02\x01\x00\x30") == 1
    with pytest.raises(RequestError, match="cannot be read"):
        key_of_request(_REQUEST.replace(b"\x02\x01\x00\x30", b"\x02\x01\x05\x30"))


@given(st.binary(max_size=200))
def test_rubbish_is_no_request(data: bytes) -> None:
    with pytest.raises(RequestError):
        key_of_request(data)


def test_names_of_servers() -> None:
    assert len(parse_names(["pulse.campus.example", "10.1.2.3", "fe80::1", "localhost"])) == 4
    for name in ("", "a..b", "-x.example", "pulse example", "*.example", "x" * 64, "学校.example", "a/b"):
        with pytest.raises(ValueError, match="neither a host name nor an address"):
            parse_names([name])
    with pytest.raises(ValueError, match="name 1 to"):
        parse_names([])


def test_its_files(authority: Authority, tmp_path: Path) -> None:
    folder = tmp_path / "authority"
    key_file = folder / "authority.key"
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(authority.crl_file.stat().st_mode) == 0o644
    again = Authority.open(folder, wall_ms())
    assert again.certificate == authority.certificate
    # A power cut between key and certificate.
    authority.certificate_file.unlink()
    key = key_file.read_bytes()
    renewed = Authority.open(folder, wall_ms() + DAY_MS)
    assert key_file.read_bytes() == key
    assert renewed.certificate != authority.certificate
    # What the one before has signed is good under this one.
    made = authority.issue_gateway(SCHOOL, GATEWAY, P256.public_key(), wall_ms())
    (tmp_path / "gateway.pem").write_bytes(made.public_bytes(Encoding.PEM))
    verified = openssl(
        "verify", "-x509_strict", "-crl_check", "-CRLfile", authority.crl_file, "-CAfile",
        renewed.certificate_file, tmp_path / "gateway.pem",
    )  # fmt: skip
    assert verified.returncode == 0, verified.stderr
    key_file.chmod(0o644)
    with pytest.raises(KeyFileError, match="chmod 600"):
        Authority.open(folder, wall_ms())
    key_file.unlink()
    with pytest.raises(AuthorityError, match=r"is lost: restore it from a backup.*docs/enrolment.md"):
        Authority.open(folder, wall_ms())
    other = Authority.open(tmp_path / "other", wall_ms())
    key_file.write_bytes((tmp_path / "other" / "authority.key").read_bytes())
    key_file.chmod(0o600)
    with pytest.raises(AuthorityError, match="do not belong together"):
        Authority.open(folder, wall_ms())
    assert other.certificate.subject != authority.certificate.subject, "or they are taken for each other"
    with pytest.raises(AuthorityError, match="does not know the time"):
        Authority.open(tmp_path / "early", 0)
    (tmp_path / "file").write_text("")
    with pytest.raises(AuthorityError, match="cannot be written"):
        Authority.open(tmp_path / "file" / "authority", wall_ms())


def test_those_who_start_together_make_one(tmp_path: Path) -> None:
    made: list[x509.Certificate] = []

    def open_one() -> None:
        made.append(Authority.open(tmp_path / "authority", wall_ms()).certificate)

    threads = [threading.Thread(target=open_one, name=f"opener-{n}") for n in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(set(made)) == 1
    assert len(made) == 4


def test_the_list_of_revoked_certificates(authority: Authority) -> None:
    now_ms = wall_ms()
    revoked = [("a1", now_ms), ("ff", now_ms - DAY_MS)]
    assert not authority.crl_is_due([], now_ms)
    assert authority.crl_is_due(revoked, now_ms)
    authority.write_crl(revoked, now_ms)
    first = x509.load_pem_x509_crl(authority.crl_file.read_bytes())
    assert not authority.crl_is_due(revoked, now_ms + DAY_MS - 5_000)
    assert authority.crl_is_due(revoked, now_ms + DAY_MS + 5_000)
    assert authority.crl_is_due(revoked, now_ms - 2 * DAY_MS), "made by a clock that was ahead"
    assert first.next_update_utc is not None
    assert (first.next_update_utc - first.last_update_utc).days == CRL_DAYS + 1
    authority.write_crl(revoked, now_ms - DAY_MS)
    second = x509.load_pem_x509_crl(authority.crl_file.read_bytes())
    numbers = [
        one.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number for one in (first, second)
    ]
    assert numbers[1] > numbers[0]
    for damage in (b"", b"rubbish", authority.certificate_file.read_bytes()):
        authority.crl_file.write_bytes(damage)
        assert authority.crl_is_due(revoked, now_ms)
    authority.write_crl(revoked, now_ms)
    assert not authority.crl_is_due(revoked, now_ms)
    assert sorted(one.name for one in authority.crl_file.parent.iterdir()) == [
        ".lock", "authority.key", "authority.pem", "crl.pem",
    ]  # fmt: skip


_REQUEST = csr(P256)
