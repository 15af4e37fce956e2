"""The files with which Mosquitto lets in whom the school's authority has certified, each to its own topics.

::

    mosquitto.conf   one listener, TLS with certificates on both sides, bounded queues
    acl              by the name in the certificate: SCHOOL/GATEWAY its own topics, the collector all
    authority.pem, crl.pem, broker.pem, broker.key (the broker's user only)
    collector.pem, collector.key   with which the collector goes to the broker
    README.md        where they go
"""

from __future__ import annotations

import datetime as dt
import os
import pwd
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from collector.enrolment.authority import Authority, AuthorityError
from collector.enrolment.certificates import Use, parse_names
from foundation.commands import UsageError
from foundation.oserrors import why
from foundation.tomltext import toml_text
from foundation.wholefile import write_whole
from telemetry.enrolment import COLLECTOR_NAME
from telemetry.envelope import ENVELOPE_BYTES_MIN, PAYLOAD_BYTES_MAX
from telemetry.topics import ROOT, Leaf

BROKER_NAME: Final = "campus-broker"
DAYS_LEFT_MIN: Final = 60
"""With less a certificate is made anew."""
_FROM_GATEWAY: Final[Sequence[Leaf]] = ("batch", "urgent", "status")
_TO_GATEWAY: Final[Sequence[Leaf]] = ("ack", "config")
_PACKET_BYTES_MAX: Final = PAYLOAD_BYTES_MAX + ENVELOPE_BYTES_MIN + 4 * 1024
"""An envelope with its topic; whoever sends more is cut off."""
_PUBLIC, _OWN = 0o644, 0o600


class Pair(NamedTuple):
    """A certificate and its key, as files. owner: numbers of user and group, None: who runs this."""

    certificate: Path
    key: Path
    owner: tuple[int, int] | None = None


class BrokerFiles:
    """In a folder, from which the broker reads them. collector: where its certificate is to be.

    hosts: names and addresses under which gateways and collector reach the broker.
    """

    def __init__(
        self,
        authority: Authority,
        folder: Path,
        hosts: Sequence[str],
        *,
        port: int,
        collector: Pair,
        broker_user: str | None = None,
    ) -> None:
        """Raises UsageError."""
        try:
            parse_names(hosts)
        except ValueError as error:
            raise UsageError(f"the broker's names: {error}") from error
        self._authority = authority
        self._folder = folder.absolute()
        self.hosts = hosts
        self.port = port
        self.collector = collector
        self._broker = Pair(
            self._folder / "broker.pem",
            self._folder / "broker.key",
            _numbers(broker_user) if broker_user else None,
        )

    def write(self, now_ms: int) -> list[str]:
        """All of them; keys and certificates that are good stay. What was written. Raises UsageError."""
        texts = {
            "mosquitto.conf": mosquitto_conf(self._folder, self.port),
            "acl": access_list(),
            "README.md": _readme(self._folder, self.collector),
        }
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            for name, text in texts.items():
                _put(self._folder / name, text.encode(), _PUBLIC)
        except OSError as error:
            raise UsageError(f"{self._folder} cannot be written: {why(error)}") from error
        return [*texts, *self.refresh(now_ms)]

    def refresh(self, now_ms: int) -> list[str]:
        """Only what ends: the list of revoked certificates as it is now, and certificates that end soon.
        What was written; the broker has to be told (SIGHUP). Raises UsageError.
        """
        try:
            written = []
            for name, source in (
                ("authority.pem", self._authority.certificate_file),
                ("crl.pem", self._authority.crl_file),
            ):
                if _put(self._folder / name, source.read_bytes(), _PUBLIC):
                    written.append(name)
            written += self._renew(self._broker, BROKER_NAME, self.hosts, "server", now_ms)
            written += self._renew(self.collector, COLLECTOR_NAME, [], "client", now_ms)
        except AuthorityError as error:
            raise UsageError(str(error)) from error
        except OSError as error:
            raise UsageError(f"{error.filename or self._folder} cannot be used: {why(error)}") from error
        return written

    def section(self) -> str:
        """`[mqtt]` of collector.toml, with which it reaches this broker."""
        values = {
            "host": self.hosts[0],
            "port": self.port,
            "ca_file": str(self._folder / "authority.pem"),
            "certificate_file": str(self.collector.certificate),
            "key_file": str(self.collector.key),
        }
        return toml_text({"mqtt": values})

    def _renew(self, pair: Pair, name: str, hosts: Sequence[str], use: Use, now_ms: int) -> Iterator[str]:
        if _is_good(pair, self._authority.certificate, hosts, now_ms):
            return
        key, certificate = self._authority.issue_own(name, hosts, use, now_ms)
        pair.key.parent.mkdir(parents=True, exist_ok=True)
        _put(pair.key, key, _OWN, pair.owner)
        _put(pair.certificate, certificate.public_bytes(Encoding.PEM), _PUBLIC, pair.owner)
        yield pair.key.name
        yield pair.certificate.name


def mosquitto_conf(folder: Path, port: int) -> str:
    """For Mosquitto 2: the broker between gateways and collector, and for nothing else."""
    return f"""\
# Mosquitto 2, made by `campus collector broker files`, which overwrites it. For gateways and collector only: devices
# have a broker of their own at their gateway. Why it is so: docs/broker.md

listener {port}
tls_version tlsv1.2
cafile {folder}/authority.pem
certfile {folder}/broker.pem
keyfile {folder}/broker.key
crlfile {folder}/crl.pem
require_certificate true
use_identity_as_username true

allow_anonymous false
acl_file {folder}/acl

# Both ends begin anew with each connection and send again what was not acknowledged, so nothing here is kept.
persistence false
retain_available false

# A collector that is behind for a minute loses nothing; beyond that its gateways send again.
max_queued_messages 20000
max_queued_bytes 67108864
max_packet_size {_PACKET_BYTES_MAX}
max_connections 2000
sys_interval 60

log_dest stderr
log_type error
log_type warning
log_type notice
connection_messages true
"""


def access_list() -> str:
    """%u is the name in the certificate, SCHOOL/GATEWAY."""
    gateway = "".join(
        f"pattern {what} {ROOT}/%u/{leaf}\n"
        for what, leaves in (("write", _FROM_GATEWAY), ("read", _TO_GATEWAY))
        for leaf in leaves
    )
    collector = "".join(
        f"topic {what} {ROOT}/+/+/{leaf}\n"
        for what, leaves in (("read", _FROM_GATEWAY), ("write", _TO_GATEWAY))
        for leaf in leaves
    )
    return (
        "# Made by `campus collector broker files`, which overwrites it. What is not here is refused.\n"
        "# A gateway, by the name in its certificate:\n"
        f"{gateway}\n# The collector:\nuser {COLLECTOR_NAME}\n{collector}"
    )


def _readme(folder: Path, collector: Pair) -> str:
    return f"""\
# 消息服务器 The broker between gateways and collector

这些文件由 `campus collector broker files` 生成，供 Mosquitto 2 使用。Made for Mosquitto 2.

1. 启动 start it: `mosquitto -c {folder}/mosquitto.conf`, or let /etc/mosquitto/mosquitto.conf be this file.
2. `broker.key` 只能由 Mosquitto 的用户读取 must be readable by the broker's user and nobody else:
   `--broker-user mosquitto` does that.
3. 采集端 the collector: its `[mqtt]` names `{collector.certificate}` and `{collector.key}`.
4. 注销网关后须重新加载 after a gateway was revoked the broker has to read `crl.pem` again:
   `campus collector broker refresh`, then `systemctl reload mosquitto` (SIGHUP). deploy/systemd/campus-broker.path
   does both whenever the collector writes its list, once a day at least; it renews the certificates here too.

吊销清单 30 天后过期，过期后所有连接都会被拒绝。The list of revoked certificates ends after 30 days, and with it every
connection: let the unit of step 4 run.
"""


def _is_good(pair: Pair, issuer: x509.Certificate, hosts: Sequence[str], now_ms: int) -> bool:
    """Whether there is a key with a certificate of this authority for these names that does not end soon."""
    try:
        certificate = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
        key = load_pem_private_key(pair.key.read_bytes(), password=None)
        certificate.verify_directly_issued_by(issuer)
        named = (
            certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value if hosts else ()
        )
    except (OSError, ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    left = certificate.not_valid_after_utc - dt.datetime.fromtimestamp(now_ms / 1_000, dt.UTC)
    return (
        key.public_key() == certificate.public_key()
        and (not hosts or set(named) == set(parse_names(hosts)))
        and left > dt.timedelta(days=DAYS_LEFT_MIN)
    )


def _put(path: Path, data: bytes, mode: int, owner: tuple[int, int] | None = None) -> bool:
    """Whether the content is another one than before."""
    before = path.read_bytes() if path.exists() else None
    if before != data:
        write_whole(path, data)
    path.chmod(mode)
    if owner is not None and (found := path.stat()) and (found.st_uid, found.st_gid) != owner:
        os.chown(path, *owner)
    return before != data


def _numbers(user: str) -> tuple[int, int]:
    try:
        found = pwd.getpwnam(user)
    except KeyError:
        raise UsageError(f"--broker-user: there is no user {user} here") from None
    return found.pw_uid, found.pw_gid
