"""The `[accounts]` section of collector.toml."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Self

from pydantic import Field

from collector.accounts.oidc_settings import OidcSection
from foundation.tomlfile import StrictModel

AUDIT_DAYS_MIN: Final = 184
"""Six months: what the Cybersecurity Law asks for (网络安全法, art. 21 (3))."""
AUDIT_DAYS: Final = 3 * 366
"""Who read health data of a child should be found for longer: the limitation of a claim is three years (民法典,
art. 188).
"""


class AccountsSection(StrictModel):
    """required: whether page and API ask who somebody is. Without it whoever reaches them may do everything,
    which is for a trial on one machine, or behind a proxy that asks. audit_days: how long the audit is kept at
    least. oidc: the school's sign-in service.
    """

    required: bool = True
    audit_days: int = Field(default=AUDIT_DAYS, ge=AUDIT_DAYS_MIN, le=36_500)
    oidc: OidcSection | None = None

    def relative_to(self, folder: Path) -> Self:
        """The same with the files it names looked for in `folder`."""
        if self.oidc is None:
            return self
        files = {name: getattr(self.oidc, name) for name in ("client_secret_file", "ca_file")}
        oidc = self.oidc.model_copy(update={name: folder / file for name, file in files.items() if file})
        return self.model_copy(update={"oidc": oidc})
