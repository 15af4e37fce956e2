"""The `[enrolment]` section of collector.toml."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field

from foundation.settings import ServiceUrl, Zone
from foundation.tomlfile import StrictModel


class BrokerEndpoint(StrictModel):
    """The broker as gateways reach it, over TLS."""

    host: str = Field(min_length=1, max_length=253)
    port: int = Field(default=8883, ge=1, le=65_535)


class EnrolmentSection(StrictModel):
    """Left out: gateways are registered by hand only, and nobody is asked for a certificate.

    https_url: [intake_http] as gateways reach it; there they enrol. mqtt: left out, they post there too.
    authority_dir: of the school's certificate authority; left out, `authority` in data_dir. proxy_cert_file:
    the certificate that a proxy in front of [intake_http] shows. trusted_file: authorities beside our own
    that gateways are to believe, where the certificate of broker or intake is another's. timezone: the
    school's. vault_url: the vault as gateways reach it; left out, as [vault] says.
    """

    https_url: ServiceUrl
    mqtt: BrokerEndpoint | None = None
    authority_dir: Path | None = None
    proxy_cert_file: Path | None = None
    trusted_file: Path | None = None
    timezone: Zone = "Asia/Shanghai"
    vault_url: ServiceUrl | None = None

    def relative_to(self, folder: Path, data_dir: Path) -> Self:
        """The same with the files it names looked for in `folder`."""
        files = {name: getattr(self, name) for name in ("proxy_cert_file", "trusted_file")}
        found = {name: folder / file for name, file in files.items() if file}
        authority = data_dir / "authority" if self.authority_dir is None else folder / self.authority_dir
        return self.model_copy(update=found | {"authority_dir": authority})
