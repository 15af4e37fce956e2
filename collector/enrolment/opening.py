"""The registrar of a configuration, for the collector and for commands beside it."""

from __future__ import annotations

from collector.config import CollectorConfig
from collector.enrolment.authority import Authority, AuthorityError
from collector.enrolment.issuing import Audit, Directions
from collector.enrolment.registrar import Registrar
from foundation.commands import UsageError
from foundation.oserrors import why
from telemetry.envelope import Signer

TRUSTED_BYTES_MAX = 24 * 1024
"""All of an answer is 64 KiB at most."""


def open_registrar(
    config: CollectorConfig, signer: Signer, now_ms: int, audit: Audit | None = None
) -> Registrar:
    """Makes the authority if there is none. Raises UsageError and KeyFileError."""
    section = config.enrolment
    if section is None:
        raise UsageError(
            "there is no [enrolment] in the collector's configuration; see collector/collector.sample.toml"
        )
    assert section.authority_dir is not None, "load_config has set it"
    trusted = ""
    if section.trusted_file is not None:
        try:
            trusted = section.trusted_file.read_text("ascii")
        except (OSError, UnicodeDecodeError) as error:
            what = why(error) if isinstance(error, OSError) else "it is not PEM"
            raise UsageError(f"[enrolment] trusted_file {section.trusted_file}: {what}") from error
        if "PRIVATE KEY" in trusted or len(trusted) > TRUSTED_BYTES_MAX:
            raise UsageError(
                f"[enrolment] trusted_file {section.trusted_file}: only certificates, "
                f"{TRUSTED_BYTES_MAX // 1024} KiB at most"
            )
    vault = config.vault
    directions = Directions(
        https_url=section.https_url.rstrip("/"),
        mqtt=(section.mqtt.host, section.mqtt.port) if section.mqtt else None,
        vault=(vault.school, section.vault_url or vault.url, vault.public_key) if vault else None,
        timezone=section.timezone,
        trusted=trusted,
    )
    try:
        authority = Authority.open(section.authority_dir, now_ms)
    except AuthorityError as error:
        raise UsageError(str(error)) from error
    return Registrar(authority, signer, directions, audit)
