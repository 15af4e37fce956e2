"""The `[accounts]` section of collector.toml."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from collector.accounts.oidc_settings import OidcSection
from foundation.tomlfile import StrictModel


class AccountsSection(StrictModel):
    """required: whether page and API ask who somebody is. Without it whoever reaches them may do everything,
    which is for a trial on one machine, or behind a proxy that asks. oidc: the school's sign-in service.
    """

    required: bool = True
    oidc: OidcSection | None = None

    def relative_to(self, folder: Path) -> Self:
        """The same with the files it names looked for in `folder`."""
        if self.oidc is None:
            return self
        files = {name: getattr(self.oidc, name) for name in ("client_secret_file", "ca_file")}
        oidc = self.oidc.model_copy(update={name: folder / file for name, file in files.items() if file})
        return self.model_copy(update={"oidc": oidc})
