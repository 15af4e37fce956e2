"""What the page needs to get names from the vault; the names themselves pass the collector by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from collector.vault.settings import VaultSection
from telemetry.purposes import Purpose
from telemetry.resolve_token import FORMAT, LIFE_MS_MAX, Claims, mint


@dataclass(frozen=True)
class Names:
    """The vault's section of the configuration, and the collector's key. `lists_of_ms`: when the vault
    last confirmed the class lists that are here, ms UTC; None: there are none.
    """

    vault: VaultSection
    key: Ed25519PrivateKey
    lists_of_ms: Callable[[], int | None]

    def token(self, purpose: Purpose, session: str, now_ms: int) -> str:
        """With which the browser of this session may ask for names."""
        return mint(
            Claims(
                format=FORMAT,
                school=self.vault.school,
                role=self.vault.role,
                purpose=purpose,
                session=session,
                issued_ms=now_ms,
                expires_ms=now_ms + LIFE_MS_MAX,
                classes=self.vault.classes,
            ),
            self.key,
        )
