"""The audit of the collector: who signed in, changed or read what, each row chained to the one before."""

from __future__ import annotations

from collector.accounts.model import AuditRow
from collector.accounts.principal import Principal


class Trail:
    """Rows are added in the transaction of what they tell of."""

    async def note(self, actor: str, action: str, subject: str = "", detail: str = "") -> None:
        """A row of its own, for what has no transaction here (an export, an invitation)."""
        raise NotImplementedError

    async def note_read(self, principal: Principal, what: str) -> None:
        """Somebody reads personal data (`what`: a permission): a row for each session and 10 minutes."""
        raise NotImplementedError

    async def find(self, before_id: int | None = None, limit: int = 50) -> list[AuditRow]:
        """Newest first; `before_id` pages on."""
        raise NotImplementedError
