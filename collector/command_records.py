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
def opened_records(config_file: Path, *, made: bool = True) -> Iterator[Records]:
    """That of a configured collector. made: it is made where there is none; else that is an error, for of
    nothing one can only tell that it is whole.
    """
    config = load_config(config_file)
    place = config.records_place
    if not made and isinstance(place, Path) and not place.exists():
        raise RecordsFileError(
            f"there is no records database {place}; see data_dir in {config_file}. The collector makes it at its "
            "first start, and so does the first account"
        )
    # An older program may be running: only its own start, or a command, takes the tables further.
    records = Records.open(place, load_signing_key(config.collector.key_file), "command")
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
