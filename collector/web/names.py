"""What the page needs to get names from the vault; the names themselves pass the collector by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from collector.accounts.permissions import Role
from collector.accounts.principal import Principal
from collector.classes import codes_of
from collector.text import Text
from collector.vault.settings import VaultSection
from collector.web.problems import ProblemError
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

    def may_ask(self, asker: Principal) -> bool:
        """Whether somebody's page asks at all: for names of their own school."""
        return asker.may("names.ask") and asker.sees_school(self.vault.school)

    def asked_for(self, asker: Principal) -> tuple[Role, tuple[str, ...] | None]:
        """In whose role, and for which classes, the page of somebody asks; where accounts are switched off as
        the configuration says.
        """
        if asker.way == "open":
            return self.vault.role, self.vault.classes
        return asker.role, codes_of(asker.classes, self.vault.school)

    def token(self, purpose: Purpose, asker: Principal, session: str, now_ms: int) -> str:
        """With which the browser of this session may ask for names."""
        role, classes = self.asked_for(asker)
        return mint(
            Claims(
                format=FORMAT,
                school=self.vault.school,
                role=role,
                purpose=purpose,
                session=session,
                issued_ms=now_ms,
                expires_ms=now_ms + LIFE_MS_MAX,
                classes=classes,
            ),
            self.key,
        )


def no_vault() -> ProblemError:
    return ProblemError(
        404,
        Text("这里没有接入身份库", "this collector has no vault"),
        kind="no-vault",
        remedy=Text("请在 collector.toml 中写 [vault]。", "Write [vault] in collector.toml."),
    )
