"""The demo's identity vault: made, filled and run as a school would do it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from foundation.commands import UsageError
from foundation.keyfiles import public_text, write_secret
from identity_vault.audit import operator, record
from identity_vault.calendar.days import Booking
from identity_vault.config import load_config
from identity_vault.exchange.registry import add_gateway
from identity_vault.imports.bookings_file import BookingRows
from identity_vault.imports.calendar_apply import import_bookings
from identity_vault.imports.headers import load_headers
from identity_vault.imports.problems import ImportProblems
from identity_vault.imports.roster_apply import import_roster, read_roster
from identity_vault.vault import Vault, create_vault, open_vault
from simulators.roster_files import write_all
from simulators.school import School
from telemetry.purposes import PURPOSE_NAMES

GYM: Final = "sport/gym"
LESSON_S: Final = 12 * 3_600
"""The demo's school day runs fast and at any hour; bands measure in a lesson of the real clock only."""


class VaultFiles(NamedTuple):
    """Where the vault's files are, and what the others must be told."""

    config_file: Path
    passphrase_file: Path
    port: int
    public_key: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def make_vault_files(
    folder: Path,
    school: School,
    *,
    port: int,
    page: str,
    collector_key: Ed25519PublicKey,
    gateways: Mapping[str, Ed25519PublicKey],
) -> VaultFiles:
    """Makes the vault in a folder: keys, roster and a sports lesson that is on now. page: the origin of
    the collector's page. Raises UsageError.
    """
    passphrase = secrets.token_hex(16)
    passphrase_file = folder / "passphrase"
    write_secret(passphrase_file, f"{passphrase}\n".encode())
    config_file = folder / "vault.toml"
    config_file.write_text(
        f'[vault]\nschool = "{school.id}"\nkey_file = "vault.key"\ndata_dir = "data"\n\n'
        f'[web]\nport = {port}\norigins = ["{page}"]\n\n'
        f'[collector]\npublic_key = "{public_text(collector_key)}"\n\n[log]\nlevel = "error"\n',
        "utf-8",
    )
    with create_vault(load_config(config_file), passphrase) as vault:
        _fill(vault, school, folder / "lists")
        with vault.begin() as connection:
            for id_, key in gateways.items():
                add_gateway(connection, id_, key, PURPOSE_NAMES, vault.now_ms())
                record(vault, connection, actor=operator(), action="gateway_add", gateway=id_)
        return VaultFiles(config_file, passphrase_file, port, public_text(vault.signer.public_key))


def open_demo_vault(files: VaultFiles) -> Vault:
    return open_vault(load_config(files.config_file), files.passphrase_file.read_text("ascii").strip())


def _fill(vault: Vault, school: School, lists: Path) -> None:
    roster_file = write_all(school, lists)[0]
    now_ms = time.time_ns() // 1_000_000
    try:
        titles = load_headers(None)["roster"]
        import_roster(vault, read_roster(vault, [(roster_file.name, roster_file.read_bytes())], titles))
    except ImportProblems as error:
        raise UsageError(f"the demo's roster: {error}") from error
    wearers = {device.plan.wearer for device in school.on("ble")}
    classes = sorted({pupil.class_id for pupil in school.pupils if pupil.number in wearers})
    lessons = [
        Booking(f"demo-{class_id}", GYM, now_ms, now_ms + LESSON_S * 1_000, class_id, "pe")
        for class_id in classes
    ]
    import_bookings(vault, BookingRows(lessons, [], []))
