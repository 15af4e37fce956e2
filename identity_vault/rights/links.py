"""One-time links for guardians, and the session of the browser that opened one.

A link is a 160-bit secret, of which the database has a keyed index only. Whoever opens it first gets a
session, another secret in a cookie; from then on the link is used up.
"""

from __future__ import annotations

import hmac
import re
import secrets
from typing import Final, Literal

import msgspec
from sqlalchemy import Connection, delete, select, update

from identity_vault import roster
from identity_vault.audit import record
from identity_vault.database import tables
from identity_vault.pseudonyms import ALPHABET, to_base32
from identity_vault.vault import Vault

LINK_LIFE_MS: Final = 7 * 86_400_000
SESSION_LIFE_MS: Final = 30 * 60_000
SECRET_BITS: Final = 160
SECRET_CHARS: Final = 32
_SECRET: Final = re.compile(rf"[{ALPHABET}]{{{SECRET_CHARS}}}")


class LinkError(Exception):
    """A link that opens nothing."""

    def __init__(self, reason: Literal["unknown", "expired", "used"]) -> None:
        super().__init__(f"link {reason}")
        self.reason = reason


class Visitor(msgspec.Struct, frozen=True):
    """A guardian in a session. until_ms: when it ends."""

    guardian: roster.Guardian
    pupil: roster.Pupil
    until_ms: int

    @property
    def actor(self) -> str:
        """As the audit names them."""
        return f"guardian:{self.guardian.id}"


def make_link(vault: Vault, connection: Connection, actor: str, guardian: roster.Guardian) -> str:
    """A new link's secret; one made before that nobody has opened is void."""
    links, now_ms = tables.links, vault.now_ms()
    connection.execute(delete(links).where((links.c.guardian == guardian.id) & links.c.opened_ms.is_(None)))
    secret = _new_secret()
    values = {
        "index": _link_index(vault, secret), "guardian": guardian.id, "made_ms": now_ms,
        "expires_ms": now_ms + LINK_LIFE_MS,
    }  # fmt: skip
    connection.execute(links.insert().values(values))
    record(vault, connection, actor=actor, action="guardian_link", pupil=guardian.pupil)
    return secret


def open_link(vault: Vault, connection: Connection, secret: str) -> str:
    """Uses a link up; the session's secret. Raises LinkError."""
    if not _SECRET.fullmatch(secret):
        raise LinkError("unknown")
    links, now_ms = tables.links, vault.now_ms()
    index = _link_index(vault, secret)
    query = select(links, tables.guardians.c.pupil).join(
        tables.guardians, tables.guardians.c.id == links.c.guardian
    )
    row = connection.execute(query.where(links.c.index == index)).one_or_none()
    if row is None:
        raise LinkError("unknown")
    if row.opened_ms is not None:
        raise LinkError("used")
    if row.expires_ms <= now_ms:
        raise LinkError("expired")
    session = _new_secret()
    values = {"opened_ms": now_ms, "session_index": _session_index(vault, session)}
    connection.execute(update(links).where(links.c.index == index).values(values))
    record(vault, connection, actor=f"guardian:{row.guardian}", action="guardian_open", pupil=row.pupil)
    return session


def find_visitor(vault: Vault, connection: Connection, session: str) -> Visitor | None:
    """Whose session it is, None for one that has ended or never was."""
    if not _SECRET.fullmatch(session):
        return None
    links = tables.links
    query = select(links.c.opened_ms, links.c.guardian, tables.guardians.c.pupil).join(
        tables.guardians, tables.guardians.c.id == links.c.guardian
    )
    row = connection.execute(
        query.where(links.c.session_index == _session_index(vault, session))
    ).one_or_none()
    if row is None or not 0 <= vault.now_ms() - row.opened_ms < SESSION_LIFE_MS:
        return None
    pupil = roster.get_pupil(vault, connection, row.pupil)
    guardians = roster.guardians_of(vault, connection, [row.pupil])
    guardian = next((one for one in guardians if one.id == row.guardian), None)
    if pupil is None or guardian is None:
        return None
    return Visitor(guardian, pupil, row.opened_ms + SESSION_LIFE_MS)


def end_session(vault: Vault, connection: Connection, session: str) -> None:
    where = tables.links.c.session_index == _session_index(vault, session)
    connection.execute(update(tables.links).where(where).values(session_index=None))


def forget_old(vault: Vault, connection: Connection) -> None:
    """Deletes links that open nothing any more and have no session, a week after they ended."""
    links = tables.links
    connection.execute(delete(links).where(links.c.expires_ms <= vault.now_ms() - LINK_LIFE_MS))


def form_token(vault: Vault, session: str) -> str:
    """What every form of a session carries, so that no other page can post in its name."""
    return vault.fields.index("guardian-form", session).hex()


def is_form_token(vault: Vault, session: str, token: str) -> bool:
    return hmac.compare_digest(form_token(vault, session).encode(), token.encode())


def address(vault: Vault, secret: str) -> str:
    """The link as a guardian gets it."""
    web = vault.config.web
    scheme = "https" if web.cert_file is not None else "http"
    host = f"[{web.host}]" if ":" in web.host else web.host
    return f"{web.public_url or f'{scheme}://{host}:{web.port}'}/g/open/{secret}"


def is_encrypted(vault: Vault) -> bool:
    """Whether guardians reach the vault by TLS."""
    web = vault.config.web
    return web.cert_file is not None or (web.public_url or "").startswith("https:")


def _new_secret() -> str:
    return to_base32(secrets.randbits(SECRET_BITS), SECRET_CHARS)


def _link_index(vault: Vault, secret: str) -> bytes:
    return vault.fields.index("guardian_link", secret)


def _session_index(vault: Vault, session: str) -> bytes:
    return vault.fields.index("guardian-session", session)
