"""A vault with invented pupils, and browsers that ask it for names."""

from __future__ import annotations

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import insert

from identity_vault.audit import AuditRow, find
from identity_vault.database import tables
from identity_vault.names import NamesDesk, NamesRefusedError
from identity_vault.roster import current_epoch
from identity_vault.vault import Vault
from telemetry.names import BreakGlassAnswer
from telemetry.purposes import Purpose
from telemetry.resolve_token import FORMAT, LIFE_MS_MAX, Claims, mint
from tests.vault.vault_parts import SCHOOL

COLLECTOR = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
REASON = "紧急按钮报警，要找到学生 panic button"


class Clock:
    """Wall and monotonic time of a test, in step."""

    def __init__(self, now_ms: int) -> None:
        self.now_ms = now_ms

    def wall_ms(self) -> int:
        return self.now_ms

    def monotonic_s(self) -> float:
        return self.now_ms / 1_000

    def go_on(self, minutes: float) -> None:
        self.now_ms += int(minutes * 60_000)


class Browser:
    """One session of somebody in a role."""

    def __init__(
        self,
        desk: NamesDesk,
        clock: Clock,
        role: str,
        purpose: Purpose,
        *,
        session: str = "",
        classes: tuple[str, ...] | None = None,
        school: str = SCHOOL,
        key: Ed25519PrivateKey = COLLECTOR,
    ) -> None:
        self._desk, self._clock, self._key = desk, clock, key
        self._claims = Claims(FORMAT, school, role, purpose, session or f"{role}-1", 0, LIFE_MS_MAX, classes)

    def token(self) -> str:
        now_ms = self._clock.now_ms
        claims = msgspec.structs.replace(self._claims, issued_ms=now_ms, expires_ms=now_ms + LIFE_MS_MAX)
        return mint(claims, self._key)

    async def ask(self, *pseudonyms: str, purpose: Purpose | None = None) -> dict[str, str]:
        """Names by pseudonym."""
        question: dict[str, object] = {"pseudonyms": pseudonyms}
        if purpose is not None:
            question["purpose"] = purpose
        answer = await self._desk.resolve(self.token(), msgspec.json.encode(question))
        return {pseudonym: one.name for pseudonym, one in answer.people.items()}

    async def break_glass(
        self, purpose: Purpose, *, reason: str = REASON, minutes: int = 30
    ) -> BreakGlassAnswer:
        question = {"purpose": purpose, "reason": reason, "minutes": minutes}
        return await self._desk.break_glass(self.token(), msgspec.json.encode(question))


def refusal(status: int, match: str = ".") -> pytest.RaisesExc[NamesRefusedError]:
    """Expects a refusal with this status, and words that match."""
    return pytest.raises(NamesRefusedError, match=match, check=lambda error: error.status == status)


def pseudonym(vault: Vault, purpose: Purpose, pupil_id: str, epoch: str | None = None) -> str:
    with vault.read() as connection:
        return vault.pseudonyms.make(purpose, epoch or current_epoch(connection), pupil_id)


def add_lesson(
    vault: Vault, class_id: str, weekday: int, starts: str, ends: str, subject: str = "pe"
) -> None:
    with vault.begin() as connection:
        connection.execute(
            insert(tables.lessons).values(
                class_id=class_id, weekday=weekday, starts=starts, ends=ends, subject=subject, place="操场"
            )
        )


def rows_of(vault: Vault, action: str) -> list[AuditRow]:
    with vault.read() as connection:
        return find(connection, action=action, limit=10_000)
