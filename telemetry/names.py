"""What a browser asks of the vault about names, and what it is answered. JSON over HTTP.

`POST /v1/resolve` takes a `NamesQuestion`, `POST /v1/break-glass` a `BreakGlass`; both come with
``Authorization: Bearer`` and a token of `telemetry.resolve_token`. What is refused is answered with a problem document (RFC 9457):

| status | why |
|---|---|
| 401 | no valid token: the page fetches a new one from its collector |
| 403 | the role may not have names for this purpose, or not now; break-glass may be open to it |
| 422 | the question is wrong |
| 429 | this session, or everybody together, asked for too many; Retry-After says when to ask again |
| 503 | the vault's database cannot be used now |
"""

from __future__ import annotations

from typing import Final

import msgspec

from telemetry.purposes import Purpose

RESOLVE_PATH: Final = "/v1/resolve"
BREAK_GLASS_PATH: Final = "/v1/break-glass"
NAMES_AT_ONCE_MAX: Final = 200
"""Pseudonyms in one question; a page with more asks again."""
BREAK_GLASS_MINUTES_MAX: Final = 60
REASON_CHARS_MIN: Final = 10
REASON_CHARS_MAX: Final = 500


class NamesQuestion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose are these pseudonyms? purpose: the token's if left out; another only with break-glass."""

    pseudonyms: list[str]
    purpose: Purpose | None = None


class PupilName(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a role is shown of one pupil. class_zh, class_en: what people call the class."""

    name: str
    class_id: str = ""
    class_zh: str = ""
    class_en: str = ""

    def __repr__(self) -> str:
        return "PupilName(…)"


class NamesAnswer(msgspec.Struct, frozen=True):
    """People by pseudonym. A pseudonym that is not in it is unknown to this question: of nobody, of
    another purpose, of a class that the token does not name; the vault does not say which.
    """

    people: dict[str, PupilName]

    def __repr__(self) -> str:
        return f"NamesAnswer({len(self.people)} people)"


class BreakGlass(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An emergency: names for a purpose that the role does not have, in this session, for some minutes.

    reason: why, in words that name nobody; somebody reviews it.
    """

    purpose: Purpose
    reason: str
    minutes: int

    def __repr__(self) -> str:
        return f"BreakGlass(purpose={self.purpose!r}, minutes={self.minutes}, …)"


class BreakGlassAnswer(msgspec.Struct, frozen=True):
    """The grant. expires_ms: ms UTC."""

    grant: str
    purpose: Purpose
    expires_ms: int
