"""The records database for a command, beside a running collector or without one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from collector.config import load_config
from collector.records import GatewayExistsError, Records, RecordsFileError, RecordsUnavailableError
from collector.series.duckdb_file import StoreFileError
from foundation.commands import UsageError, errors_in_words
from foundation.keyfiles import load_signing_key


@contextmanager
def opened_records(config_file: Path) -> Iterator[Records]:
    """That of a configured collector."""
    config = load_config(config_file)
    # An older program may be running: only its own start, or a command, takes the tables further.
    records = Records.open(config.records_place, load_signing_key(config.collector.key_file), "command")
    try:
        yield records
    finally:
        records.close_now()


@contextmanager
def files_in_words() -> Iterator[None]:
    """Ends a command with what is wrong with its files or its database."""
    with errors_in_words():
        try:
            yield
        except (RecordsFileError, StoreFileError, GatewayExistsError) as error:
            raise UsageError(str(error)) from error
        except RecordsUnavailableError as error:
            raise UsageError(f"the records database cannot be used now: {error}; try again") from error
