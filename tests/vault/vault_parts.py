"""A vault for tests: real keys and a real database, without the quarter of a second that scrypt takes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from identity_vault.audit import begin_head
from identity_vault.config import VaultConfig
from identity_vault.database.engine import create_database, open_database
from identity_vault.keys import VaultKeys
from identity_vault.roster import PupilDetails, add_pupil, bump, give_consent, put_class
from identity_vault.vault import Vault, school_year
from telemetry.purposes import PURPOSE_NAMES, Purpose

SCHOOL = "example-primary"
NOW_MS = 1_788_998_400_000
"""2026-09-10 00:00 UTC, a Thursday: 08:00 in Shanghai."""
SEED = bytes(range(32))


def make_config(folder: Path, **sections: object) -> VaultConfig:
    """A vault's configuration with SQLite in `folder`; other sections as in vault.toml."""
    vault = {"school": SCHOOL, "key_file": folder / "vault.key", "data_dir": folder / "data"}
    extra = sections.pop("vault", {})
    assert isinstance(extra, dict)
    return VaultConfig.model_validate({"vault": vault | extra, **sections})


def make_vault(
    folder: Path,
    *,
    config: VaultConfig | None = None,
    seed: bytes = SEED,
    now_ms: Callable[[], int] = lambda: NOW_MS,
) -> Vault:
    """A new, empty vault; opened again where the database is there."""
    config = config or make_config(folder)
    keys = VaultKeys(seed, config.vault.school)
    url = config.database_url
    exists = url.startswith("sqlite") and Path(url.removeprefix("sqlite:///")).exists()
    database = (
        open_database(url, config.vault.school)
        if exists
        else create_database(url, config.vault.school, school_year(now_ms(), config), now_ms())
    )
    vault = Vault(config, keys, database, now_ms)
    if not exists:
        begin_head(vault)
    return vault


def add_somebody(
    vault: Vault,
    number: int,
    *,
    class_id: str = "3-2",
    born: str = "2018-02-03",
    purposes: tuple[Purpose, ...] = PURPOSE_NAMES,
) -> str:
    """An invented pupil with a guardian's consent to these purposes; the id."""
    with vault.begin() as connection:
        put_class(connection, class_id, f"{class_id} 班", f"Class {class_id}")
        details = PupilDetails(
            name=f"示例生{number}", student_number=f"TEST{number:06d}", birth_date=born, sex="female"
        )
        id_ = add_pupil(vault, connection, class_id, details)
        for purpose in purposes:
            give_consent(
                vault,
                connection,
                id_,
                purpose,
                given_by="guardian",
                evidence="paper form",
                given_ms=vault.now_ms() - 1_000,
            )
        bump(connection)
    return id_
