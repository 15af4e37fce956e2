"""The `[vault]` section of collector.toml."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from collector.accounts.permissions import Role
from foundation.httppost import parse_target
from foundation.settings import Identifier, PublicKeyText
from foundation.tomlfile import StrictModel
from telemetry.purposes import Purpose

ROLE_PURPOSES: Final[dict[Role, tuple[Purpose, ...]]] = {
    "nurse": ("health", "safety"),
    "class_teacher": ("health",),
    "pe_teacher": ("sport",),
    "canteen": ("nutrition",),
    "facilities": (),
    "admin": (),
    "district": (),
}
"""For what a role may ask names, break-glass apart. The vault decides by a table of its own
(identity_vault/names/roles.toml), which a test holds this one against; it saves asking in vain.
"""

ROLE_BREAK_GLASS: Final[dict[Role, tuple[Purpose, ...]]] = {
    "nurse": ("sport", "access", "nutrition"),
    "class_teacher": ("safety", "access"),
    "pe_teacher": ("sport", "safety"),
    "canteen": (),
    "facilities": ("safety",),
    "admin": (),
    "district": (),
}
"""For what a role may ask names in an emergency, with a reason and for some minutes."""


def _url(text: str) -> str:
    # It also stands in the page's content policy, where ";" and "," mean something.
    if parse_target(text).base or not re.fullmatch(r"https?://[A-Za-z0-9.:\[\]-]+/?", text):
        raise ValueError("must be https://, a host and perhaps a port, without a path")
    return text.rstrip("/")


class VaultSection(StrictModel):
    """Where the school's identity vault is and what this collector's page may ask it.

    school: as in vault.toml. url: as the collector and the browsers reach it. public_key: the vault's,
    as `campus vault init` prints it. ca_file: who signed its certificate; left out, who the system
    trusts. role, classes: for whom the page asks for names where accounts are switched off; classes
    left out: all, for roles that are not bound to their own. refresh_s: between two questions.
    """

    school: Identifier
    url: Annotated[str, AfterValidator(_url)]
    public_key: PublicKeyText
    ca_file: Path | None = None
    role: Role = "nurse"
    classes: tuple[Annotated[str, Field(min_length=1, max_length=64)], ...] | None = Field(
        default=None, max_length=60
    )
    refresh_s: float = Field(default=15, ge=1, le=3_600)
