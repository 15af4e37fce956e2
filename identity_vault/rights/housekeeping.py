"""What rights leave behind and time takes away: answers to exports, links and sessions that are over."""

from __future__ import annotations

from sqlalchemy import Connection

from identity_vault.rights import links, orders
from identity_vault.vault import Vault


def tidy(vault: Vault, connection: Connection) -> None:
    """To be called now and then; the service does once an hour."""
    orders.close_finished(vault, connection)
    links.forget_old(vault, connection)
