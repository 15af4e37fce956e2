"""What can go wrong with the records database.

::

    RecordsFileError                 it cannot be used; the message names it, the cause and the remedy
    RecordsUnavailableError          a transaction failed and changed nothing; try again later
    ├── SealingError                 a sealed value does not open
    └── RecordsChangedError          another program has changed its tables or keys meanwhile
    RowsRefusedError                 a transaction failed for a row that the database will never take
"""

from __future__ import annotations


class RecordsFileError(Exception):
    """The database cannot be used; the message names it, the cause and the remedy."""


class RecordsUnavailableError(Exception):
    """A transaction failed and changed nothing (disk full, locked, away, damaged); try again later."""


class SealingError(RecordsUnavailableError):
    """A sealed value that does not open: damaged, moved, or of another key file. Names the column."""


class RecordsChangedError(RecordsUnavailableError):
    """Another program has migrated the database, or sealed it under another key file, meanwhile."""


class RowsRefusedError(Exception):
    """A transaction failed for a row that the database will never take; it changed nothing."""
