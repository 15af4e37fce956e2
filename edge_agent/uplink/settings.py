"""The ways to the collector, as `gateway.toml` names them."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from foundation.broker import BrokerSettings
from foundation.settings import PublicKeyText, ServiceUrl
from foundation.tomlfile import StrictModel


class HttpsSettings(StrictModel):
    """A collector that is posted to. http:// is for one on this machine.

    ca_file: who must have signed its certificate; left out, who the system trusts. client_cert_file,
    client_key_file: what this gateway shows of itself where the collector, or a proxy before it, asks.
    """

    url: ServiceUrl
    ca_file: Path | None = None
    client_cert_file: Path | None = None
    client_key_file: Path | None = None

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.client_cert_file is None) != (self.client_key_file is None):
            raise ValueError("client_cert_file and client_key_file belong together: give both or neither")
        return self

    @property
    def certificate(self) -> tuple[Path, Path] | None:
        if self.client_cert_file is None or self.client_key_file is None:
            return None
        return self.client_cert_file, self.client_key_file

    def relative_to(self, folder: Path) -> Self:
        """The same with the files it names looked for in `folder`."""
        names = ("ca_file", "client_cert_file", "client_key_file")
        files = {name: getattr(self, name) for name in names}
        return self.model_copy(update={name: folder / file for name, file in files.items() if file})


class CollectorSection(StrictModel):
    """Whose acknowledgements are believed, and the way there: one, or https beside mqtt for when that is
    closed.

    https_after_s: so long MQTT has to be without a connection before the collector is posted to.
    """

    public_key: PublicKeyText
    mqtt: BrokerSettings | None = None
    https: HttpsSettings | None = None
    https_after_s: float = Field(default=60.0, ge=0, le=3_600)

    @property
    def certificate_file(self) -> Path | None:
        """Of what this gateway shows of itself."""
        if self.mqtt and self.mqtt.certificate_file:
            return self.mqtt.certificate_file
        return self.https.client_cert_file if self.https else None

    @model_validator(mode="after")
    def _some_way(self) -> Self:
        if self.mqtt is None and self.https is None:
            raise ValueError("no way to the collector: give [collector.mqtt] or [collector.https]")
        return self

    def relative_to(self, folder: Path) -> Self:
        """The same with the files it names looked for in `folder`."""
        return self.model_copy(
            update={
                "mqtt": self.mqtt and self.mqtt.relative_to(folder),
                "https": self.https and self.https.relative_to(folder),
            }
        )
