"""The intake over HTTPS, as `[intake_http]` of collector.toml names it."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from foundation.loopback import is_loopback
from foundation.tomlfile import StrictModel


class IntakeHttpSection(StrictModel):
    """A port of its own, for gateways and nothing else: the page is not there, so that it can be open to the
    network while the page is not.

    cert_file, key_file: the certificate with its chain, and its key without a passphrase. Without them
    only this machine is listened to, for a proxy on it that ends TLS.
    """

    host: str = "0.0.0.0"  # noqa: S104  # gateways come from outside
    port: int = Field(default=8421, ge=0, le=65_535)
    cert_file: Path | None = None
    key_file: Path | None = None
    connections_max: int = Field(default=500, ge=4, le=10_000)
    connections_per_address_max: int = Field(default=50, ge=4, le=10_000)
    """A school's gateways often come from one address."""

    @model_validator(mode="after")
    def _never_in_clear(self) -> Self:
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file belong together: give both or neither")
        if self.cert_file is None and not is_loopback(self.host):
            raise ValueError(
                "without cert_file and key_file gateways would post in clear; give both, or "
                'host = "127.0.0.1" for a proxy on this machine that ends TLS'
            )
        return self

    @property
    def certificate(self) -> tuple[Path, Path] | None:
        return None if self.cert_file is None or self.key_file is None else (self.cert_file, self.key_file)

    def relative_to(self, folder: Path) -> Self:
        """The same with the files it names looked for in `folder`."""
        files = {name: getattr(self, name) for name in ("cert_file", "key_file")}
        return self.model_copy(update={name: folder / file for name, file in files.items() if file})
