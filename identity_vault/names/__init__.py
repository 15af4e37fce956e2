"""Names for those who may have them: roles, limits against enumeration, break-glass."""

from identity_vault.names.desk import NamesDesk, NamesRefusedError
from identity_vault.names.grants import Grant, review, unreviewed

__all__ = ["Grant", "NamesDesk", "NamesRefusedError", "review", "unreviewed"]
