"""The registrar of a configuration, for the collector and for commands beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from collector.accounts.trail import Trail
from collector.config import CollectorConfig
from collector.enrolment.authority import Authority, AuthorityError
from collector.enrolment.issuing import Directions
from collector.enrolment.registrar import Registrar
from collector.enrolment.settings import EnrolmentSection
from collector.records import Records
from foundation.commands import UsageError
from foundation.oserrors import why
from telemetry.envelope import Signer

TRUSTED_BYTES_MAX: Final = 24 * 1024
"""All of an answer is 64 KiB at most."""


def open_registrar(
    config: CollectorConfig, key: Ed25519PrivateKey, records: Records, now_ms: Callable[[], int]
) -> Registrar:
    """With its audit in `records`; key: the collector's. Makes the authority if there is none. Raises
    UsageError and KeyFileError.
    """
    section, vault = _section(config), config.vault
    directions = Directions(
        https_url=section.https_url.rstrip("/"),
        mqtt=(section.mqtt.host, section.mqtt.port) if section.mqtt else None,
        vault=(vault.school, section.vault_url or vault.url, vault.public_key) if vault else None,
        timezone=section.timezone,
        trusted=_trusted(section.trusted_file) if section.trusted_file else "",
    )
    audit = Trail(records, key, now_ms).add
    return Registrar(open_authority(config, now_ms()), Signer(key), directions, audit)


def open_authority(config: CollectorConfig, now_ms: int) -> Authority:
    """Makes it if there is none. Raises UsageError and KeyFileError."""
    folder = _section(config).authority_dir
    assert folder is not None, "load_config has set it"
    try:
        return Authority.open(folder, now_ms)
    except AuthorityError as error:
        raise UsageError(str(error)) from error


def _section(config: CollectorConfig) -> EnrolmentSection:
    if config.enrolment is None:
        raise UsageError(
            "there is no [enrolment] in the collector's configuration; see collector/collector.sample.toml"
        )
    return config.enrolment


def _trusted(file: Path) -> str:
    """The certificates in a file, and nothing else of it."""
    try:
        found = x509.load_pem_x509_certificates(file.read_bytes())
    except OSError as error:
        raise UsageError(f"[enrolment] trusted_file {file} cannot be read: {why(error)}") from error
    except ValueError:
        raise UsageError(f"[enrolment] trusted_file {file} holds no certificates in PEM") from None
    text = "".join(one.public_bytes(Encoding.PEM).decode("ascii") for one in found)
    if len(text) > TRUSTED_BYTES_MAX:
        raise UsageError(f"[enrolment] trusted_file {file}: {TRUSTED_BYTES_MAX // 1024} KiB at most")
    return text
