"""Values that stand in the configurations of more than one program, each with the words for a bad one."""

from __future__ import annotations

import re
from typing import Annotated, Final
from zoneinfo import ZoneInfo

from pydantic import AfterValidator

from foundation.keyfiles import parse_public

_IDENTIFIER: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
"""As `telemetry.topics.IDENTIFIER`, of which this room knows nothing; a test compares them."""


def _identifier(text: str) -> str:
    if not _IDENTIFIER.fullmatch(text):
        raise ValueError("must be 1 to 63 lower-case letters, digits, - or _, such as gw-301")
    return text


def _zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (KeyError, ValueError, OSError):
        raise ValueError("is not a time zone; use a name such as Asia/Shanghai") from None
    return text


def _public_key(text: str) -> str:
    parse_public(text)
    return text


def _service_url(text: str) -> str:
    from foundation.httppost import parse_target  # noqa: PLC0415  # memory: only where something is posted

    parse_target(text)
    return text


Identifier = Annotated[str, AfterValidator(_identifier)]
"""Of a school or a gateway."""
Zone = Annotated[str, AfterValidator(_zone)]
PublicKeyText = Annotated[str, AfterValidator(_public_key)]
"""As `foundation.keyfiles.public_text` writes it."""
ServiceUrl = Annotated[str, AfterValidator(_service_url)]
"""Where something is posted to: https, or http on this machine."""
