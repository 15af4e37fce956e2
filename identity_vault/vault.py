"""One open vault: its keys, its database and what is made of them. Every other file here works on it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from types import TracebackType
from typing import Self, TypeVar

from sqlalchemy import Connection

from identity_vault.audit import begin_head, keep_head
from identity_vault.config import VaultConfig
from identity_vault.database.engine import Database, create_database, open_database
from identity_vault.fields import Fields
from identity_vault.keys import VaultKeys, create_keys, open_keys
from identity_vault.pseudonyms import Pseudonyms
from telemetry.envelope import Signer

Result = TypeVar("Result")


class WrongKeyFileError(Exception):
    """The key file is of another school than the configuration."""


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


class Vault:
    """An open vault; close it, or use it as a context. `run` is for the event loop, `begin` and `read`
    for commands and threads.
    """

    def __init__(
        self, config: VaultConfig, keys: VaultKeys, database: Database, now_ms: Callable[[], int] = wall_ms
    ) -> None:
        self.config = config
        self.school = config.vault.school
        self.data_dir = config.vault.data_dir
        self.keys = keys
        self.fields = Fields(keys)
        self.pseudonyms = Pseudonyms(keys)
        self.signer = Signer(keys.signing_key)
        self.database = database
        self.now_ms = now_ms
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="vault")

    def __repr__(self) -> str:
        return f"Vault(school={self.school!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """One write transaction; writers are one at a time. Raises VaultUnavailableError."""
        with self.database.begin() as connection:
            yield connection
        keep_head(self, connection)

    def read(self) -> AbstractContextManager[Connection]:
        """One look at the database. Raises VaultUnavailableError."""
        return self.database.read()

    async def run(self, work: Callable[[Connection], Result]) -> Result:
        """`work` in one write transaction on the vault's own thread, durable when this returns.

        Raises VaultUnavailableError.
        """

        def transaction() -> Result:
            with self.begin() as connection:
                return work(connection)

        return await asyncio.get_running_loop().run_in_executor(self._thread, transaction)

    def close(self) -> None:
        self._thread.shutdown(wait=True)
        self.database.close()


def create_vault(config: VaultConfig, passphrase: str, now_ms: Callable[[], int] = wall_ms) -> Vault:
    """Key file and database, both new. Raises KeyFileError or DatabaseError."""
    keys = create_keys(config.vault.key_file, config.vault.school, passphrase)
    try:
        epoch = school_year(now_ms(), config)
        database = create_database(config.database_url, config.vault.school, epoch, now_ms())
    except Exception:
        config.vault.key_file.unlink()  # no use without the database it was made for
        raise
    vault = Vault(config, keys, database, now_ms)
    begin_head(vault)
    return vault


def open_vault(config: VaultConfig, passphrase: str, now_ms: Callable[[], int] = wall_ms) -> Vault:
    """Raises KeyFileError, DatabaseError or WrongKeyFileError."""
    keys = open_keys(config.vault.key_file, passphrase)
    if keys.school != config.vault.school:
        raise WrongKeyFileError(
            f"{config.vault.key_file} is the key file of {keys.school}, not of {config.vault.school}"
        )
    return Vault(config, keys, open_database(config.database_url, config.vault.school), now_ms)


def school_year(now_ms: int, config: VaultConfig) -> str:
    """The school year of a moment, from 1 August: ``"2026-27"``."""
    local = datetime.fromtimestamp(now_ms / 1_000, UTC).astimezone(config.zone)
    first = local.year if local.month >= 8 else local.year - 1
    return f"{first}-{(first + 1) % 100:02d}"
