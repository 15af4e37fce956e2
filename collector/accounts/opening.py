"""The accounts of a collector that starts, as its configuration says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from collector.accounts.oidc import OidcSignIn
from collector.accounts.service import Accounts
from collector.accounts.settings import AccountsSection
from collector.records import Records

FIRST_COMMAND: Final = "campus collector account add CONFIG --username NAME --role admin"

log = structlog.get_logger()


async def open_accounts(
    section: AccountsSection,
    records: Records,
    key: Ed25519PrivateKey,
    now_ms: Callable[[], int],
    school: str = "",
) -> tuple[Accounts | None, OidcSignIn | None]:
    """Accounts and sign-in service; None for what is switched off or left out. Says how to make the first
    account where there is none. Raises what `Records.look` and `OidcSignIn` raise.
    """
    if not section.required:
        log.warning("accounts are switched off: whoever reaches the page may do everything")
        return None, None
    accounts = Accounts(records, key, now_ms, school=school)
    if await accounts.is_empty():
        log.warning("nobody has an account yet, so nobody can sign in", remedy=f"run: {FIRST_COMMAND}")
    return accounts, OidcSignIn(section.oidc, now_ms) if section.oidc else None
