"""The MQTT link over TLS, with an authority and certificates made for the test."""

from __future__ import annotations

import datetime as dt
import ipaddress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from foundation.broker import BrokerSettings, BrokerUnavailableError, connect
from tests.conftest import MakeMosquitto, Mosquitto


class Authority:
    """A throw-away certificate authority in a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = (
            self._builder(self._name, self._key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(certificate.public_bytes(Encoding.PEM))

    def issue(self, name: str, days: tuple[int, int] = (-1, 1)) -> tuple[Path, Path]:
        """Certificate and key files of `name`, good for 127.0.0.1 between these days from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        certificate = (
            self._builder(subject, key, days)
            .add_extension(x509.SubjectAlternativeName([address]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        files = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        files[0].write_bytes(certificate.public_bytes(Encoding.PEM))
        files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return files

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, days: tuple[int, int] = (-1, 1)
    ) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + dt.timedelta(days=days[0]))
            .not_valid_after(now + dt.timedelta(days=days[1]))
        )


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "school-ca")


@pytest.fixture
def broker(authority: Authority, make_mosquitto: MakeMosquitto) -> Mosquitto:
    certificate, key = authority.issue("broker")
    return make_mosquitto(
        f"cafile {authority.file}",
        f"certfile {certificate}",
        f"keyfile {key}",
        "require_certificate true",
        "use_identity_as_username true",
    )


async def refused(settings: BrokerSettings) -> BrokerUnavailableError:
    with pytest.raises(BrokerUnavailableError) as caught:
        async with connect(settings, "one"):
            pass
    return caught.value


async def test_messages_of_all_sizes_over_tls(authority: Authority, broker: Mosquitto) -> None:
    certificate, key = authority.issue("gateway")
    settings = BrokerSettings(
        host=broker.host,
        port=broker.port,
        ca_file=authority.file,
        certificate_file=certificate,
        key_file=key,
    )
    payloads = [b"x" * size for size in (0, 1, 16_000, 17_000, 70_000, 1_000_000, 3)]
    async with connect(settings, "one") as link:
        await link.subscribe(["x"], qos=0)
        for payload in payloads:
            await link.publish("x", payload, qos=0)
        found: list[bytes] = []
        async for chunk in link.chunks():
            found += [message.payload for message in chunk]
            if len(found) >= len(payloads):
                break
    assert found == payloads
    assert "u'gateway'" in broker.log()


async def test_a_broker_of_another_authority_is_not_trusted(
    broker: Mosquitto, authority: Authority, tmp_path: Path
) -> None:
    certificate, key = authority.issue("gateway")
    other = Authority(tmp_path, "other-ca")
    settings = BrokerSettings(
        host=broker.host, port=broker.port, ca_file=other.file, certificate_file=certificate, key_file=key
    )
    assert "certificate verify failed" in str(await refused(settings))


async def test_a_gateway_without_certificate_is_turned_away(broker: Mosquitto, authority: Authority) -> None:
    await refused(BrokerSettings(host=broker.host, port=broker.port, ca_file=authority.file))


async def test_a_missing_authority_file_names_itself(broker: Mosquitto, tmp_path: Path) -> None:
    missing = tmp_path / "nothing.pem"
    error = await refused(BrokerSettings(host=broker.host, port=broker.port, ca_file=missing))
    assert error.refused
    assert str(missing) in str(error)
