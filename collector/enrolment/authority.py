"""The school's own certificate authority: a key, its certificate and the list of what was revoked, in a folder.

::

    authority.key   P-256, readable by the owner only; whoever has it can be every gateway
    authority.pem   the certificate, good for ten years
    crl.pem         revoked certificates, for the broker; good for 30 days, made anew every day

It signs what gateways ask for and never sees their private keys. For servers of the school it makes key and
certificate, since whoever may use it runs these too.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from collector.enrolment.certificates import (
    EARLIER,
    PublicKey,
    Use,
    gateway_names,
    make_authority,
    make_certificate,
    make_crl,
    parse_names,
)
from collector.intake.objections import PLAUSIBLE_FROM_MS
from foundation.keyfiles import KeyFileError, read_secret, write_secret
from foundation.oserrors import why

CRL_AGE_MAX: Final = dt.timedelta(days=1)
ENDS_SOON: Final = dt.timedelta(days=400 + 30)
"""Within so long before its end an authority gives certificates that end before a gateway's year is over."""


class AuthorityError(Exception):
    """The authority cannot be used; the message names file, cause and remedy."""


class Authority:
    """`folder` is where its files are. `open` and `load` make one."""

    def __init__(self, folder: Path, key: EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
        self._key = key
        self.certificate = certificate
        self.certificate_file = _certificate_file(folder)
        self.crl_file = folder / "crl.pem"

    @classmethod
    def open(cls, folder: Path, now_ms: int) -> Self:
        """The authority of this folder, made if there is none. Raises AuthorityError and KeyFileError."""
        if now_ms < PLAUSIBLE_FROM_MS:
            raise AuthorityError("this machine does not know the time yet, which certificates need; set it")
        with _alone(folder):
            if not _key_file(folder).exists() and not _certificate_file(folder).exists():
                key = generate_private_key(SECP256R1())
                write_secret(_key_file(folder), _pem(key))
            if not _certificate_file(folder).exists():
                # Also where a power cut came between the two files.
                made = make_authority(_load_key(folder), _time(now_ms))
                _write(_certificate_file(folder), made.public_bytes(Encoding.PEM))
            authority = cls.load(folder)
            if not authority.crl_file.exists():
                authority.write_crl([], now_ms)
        return authority

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Raises AuthorityError and KeyFileError."""
        certificate_file = _certificate_file(folder)
        if not _key_file(folder).exists() and certificate_file.exists():
            raise AuthorityError(
                f"{_key_file(folder)} is lost: restore it from a backup, or move {folder} away, which makes a "
                "new authority at the next start, and enrol every gateway anew (docs/enrolment.md)"
            )
        key = _load_key(folder)
        try:
            certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
        except OSError as error:
            raise AuthorityError(
                f"{certificate_file} cannot be read: {why(error)}; run: campus collector authority init"
            ) from error
        except ValueError:
            raise AuthorityError(f"{certificate_file} is no certificate; restore it from a backup") from None
        if certificate.public_key() != key.public_key():
            raise AuthorityError(f"{certificate_file} and {_key_file(folder)} do not belong together")
        return cls(folder, key, certificate)

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode("ascii")

    @property
    def not_after_ms(self) -> int:
        return _ms(self.certificate.not_valid_after_utc)

    def issue_gateway(self, school: str, gateway: str, key: PublicKey, now_ms: int) -> x509.Certificate:
        """A gateway's certificate for TLS. Raises ValueError for ids that are too long for one, and
        AuthorityError.
        """
        name, names = gateway_names(school, gateway)
        return self._issue(key, name, names, "client", now_ms)

    def issue_own(
        self, name: str, hosts: Sequence[str], use: Use, now_ms: int
    ) -> tuple[bytes, x509.Certificate]:
        """A new key (PEM) and its certificate, for a part of the school's own: a server reached as `hosts`,
        or a client. Raises ValueError that names a bad host, and AuthorityError.
        """
        names = parse_names(hosts) if use == "server" or hosts else []
        key = generate_private_key(SECP256R1())
        return _pem(key), self._issue(key.public_key(), name[:64], names, use, now_ms)

    def _issue(
        self, key: PublicKey, name: str, names: Sequence[x509.GeneralName], use: Use, now_ms: int
    ) -> x509.Certificate:
        """Raises AuthorityError where the authority's own certificate has ended."""
        now = _time(now_ms)
        if now >= self.certificate.not_valid_after_utc:
            raise AuthorityError(
                f"by this machine's clock ({now:%Y-%m-%d}) {self.certificate_file} has ended; set the clock, or "
                "make it anew (docs/enrolment.md, ten years are over)"
            )
        return make_certificate(
            self.certificate, self._key, key=key, name=name, names=names, use=use, now=now
        )

    def write_crl(self, revoked: Iterable[tuple[str, int]], now_ms: int) -> None:
        """Writes the list of (serial in hexadecimal, when) anew, whole or not at all. Whoever calls it makes
        sure that nobody revokes meanwhile. Raises OSError.
        """
        found = self._crl()
        number = 0
        if found is not None:
            number = found.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
        entries = [(int(serial, 16), _time(at_ms)) for serial, at_ms in revoked]
        # Numbers only grow, also where the file was lost.
        number = max(number + 1, now_ms)
        made = make_crl(self.certificate, self._key, entries, number, _time(now_ms))
        _write(self.crl_file, made.public_bytes(Encoding.PEM))

    def crl_is_due(self, revoked: Iterable[tuple[str, int]], now_ms: int) -> bool:
        """Whether the file says something else than that these are revoked, or is a day old."""
        found = self._crl()
        if found is None or {one.serial_number for one in found} != {
            int(serial, 16) for serial, _ in revoked
        }:
            return True
        age = _time(now_ms) - (found.last_update_utc + EARLIER)
        return not -CRL_AGE_MAX < age < CRL_AGE_MAX

    def _crl(self) -> x509.CertificateRevocationList | None:
        """None: there is none that can be read, or of another authority."""
        try:
            found = x509.load_pem_x509_crl(self.crl_file.read_bytes())
            found.extensions.get_extension_for_class(x509.CRLNumber)
        except (OSError, ValueError, x509.ExtensionNotFound):
            return None
        return found if found.issuer == self.certificate.subject else None


def write_pair(
    folder: Path, name: str, key: bytes, certificate: x509.Certificate, *, renew: bool = False
) -> tuple[Path, Path]:
    """`name`.key, readable by the owner only, and `name`.pem. renew: in the place of those that are there.
    Raises KeyFileError where there is such a key, and OSError.
    """
    files = folder / f"{name}.key", folder / f"{name}.pem"
    if renew:
        _write(files[0], key, 0o600)
    else:
        write_secret(files[0], key)
    _write(files[1], certificate.public_bytes(Encoding.PEM))
    return files


def _key_file(folder: Path) -> Path:
    return folder / "authority.key"


def _certificate_file(folder: Path) -> Path:
    return folder / "authority.pem"


def _load_key(folder: Path) -> EllipticCurvePrivateKey:
    data = read_secret(_key_file(folder))
    try:
        key = load_pem_private_key(data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, EllipticCurvePrivateKey):
        raise KeyFileError(f"{_key_file(folder)} is no key of an authority; restore it from a backup")
    return key


def _pem(key: EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _write(file: Path, data: bytes, mode: int = 0o644) -> None:
    """Whole or not at all, for everybody to read unless `mode` says otherwise."""
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as out:
        os.fchmod(out.fileno(), mode)
        out.write(data)
        out.flush()
        os.fsync(out.fileno())
    beside.replace(file)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """A command and a collector that start together make one authority."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / ".lock").open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
    except OSError as error:
        raise AuthorityError(f"{folder} cannot be written: {why(error)}") from error


def _time(time_ms: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(time_ms // 1000, dt.UTC)


def _ms(time: dt.datetime) -> int:
    return int(time.timestamp() * 1000)
