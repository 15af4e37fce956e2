"""The `[records]` section of collector.toml."""

from __future__ import annotations

from pathlib import Path

from pydantic import model_validator

from collector.records.engine import check_address
from collector.records.errors import RecordsFileError
from collector.records.upgrading import Upgrade
from foundation.tomlfile import StrictModel


class RecordsSection(StrictModel):
    """The records database.

    database: left out, SQLite in data_dir; else ``sqlite:///file`` or ``postgresql+psycopg://user@host/name``
    (the password in the file that PGPASSFILE names, not here). upgrade: what a start does about a database
    of an older program: "auto" takes it to this one's revision, "command" asks for `campus collector
    database upgrade`; left out, "auto" for SQLite files below 1 GiB, of which a copy is made, "command"
    for the others.
    """

    database: str = ""
    upgrade: Upgrade | None = None

    @model_validator(mode="after")
    def _usable(self) -> RecordsSection:
        # Of the whole section: an error of one field would show the address, with what it holds.
        if self.database:
            try:
                check_address(self.database)
            except RecordsFileError as error:
                raise ValueError(f"database: {error}") from None
        return self

    def relative_to(self, base: Path) -> RecordsSection:
        """With the path of an SQLite file made absolute."""
        if not self.database.startswith("sqlite:"):
            return self
        return self.model_copy(update={"database": f"sqlite:///{base / self.database[len('sqlite:///') :]}"})
