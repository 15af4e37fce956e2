"""The school's own sign-in service, as `[accounts.oidc]` of collector.toml names it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from collector.accounts.permissions import Role
from foundation.httppost import parse_target
from foundation.tomlfile import StrictModel

CALLBACK_PATH: Final = "/sign-in/oidc/back"
"""Where the sign-in service sends browsers back to; with `public_url` before it, it is registered there."""


def _issuer(text: str) -> str:
    parse_target(text)
    return text


def _origin(text: str) -> str:
    if parse_target(text).base or urlsplit(text).path not in {"", "/"}:
        raise ValueError("must be https://, a host and perhaps a port, without a path")
    return text.rstrip("/")


class OidcSection(StrictModel):
    """OpenID Connect: an issuer that the school trusts to know its staff.

    issuer: exactly as it calls itself. client_id, client_secret_file: as registered there; the file has one
    line, left out for a client without a secret. public_url: how browsers call this page. name: on the
    button. ca_file: who signed the issuer's certificate; left out, who the system trusts. role_claim, roles:
    the claim of the ID token that holds somebody's groups, and the role that each group stands for; nobody
    gets in then whose groups do not stand for the role of their account.
    """

    issuer: Annotated[str, Field(max_length=300), AfterValidator(_issuer)]
    client_id: Annotated[str, Field(min_length=1, max_length=200)]
    client_secret_file: Path | None = None
    public_url: Annotated[str, Field(max_length=300), AfterValidator(_origin)]
    name: Annotated[str, Field(min_length=1, max_length=40)] = "学校统一身份认证"
    ca_file: Path | None = None
    role_claim: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    roles: dict[Annotated[str, Field(min_length=1, max_length=200)], Role] = Field(
        default_factory=dict, max_length=100
    )

    @model_validator(mode="after")
    def _claim_and_roles(self) -> Self:
        if (self.role_claim is None) != (not self.roles):
            raise ValueError("role_claim and roles belong together: give both or neither")
        return self

    @property
    def redirect_uri(self) -> str:
        return self.public_url + CALLBACK_PATH

    def relative_to(self, folder: Path) -> Self:
        """The same with the files it names looked for in `folder`."""
        files = {name: getattr(self, name) for name in ("client_secret_file", "ca_file")}
        return self.model_copy(update={name: folder / file for name, file in files.items() if file})
