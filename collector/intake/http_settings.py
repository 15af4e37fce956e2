"""The intake over HTTPS, as `[intake_http]` of collector.toml names it."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from foundation.loopback import is_loopback
from foundation.servercertificate import CertificateSection


class IntakeHttpSection(CertificateSection):
    """A port of its own, for gateways and nothing else: the page is not there, so that it can be open to the
    network while the page is not.

    Without cert_file and key_file only this machine is listened to, for a proxy on it that ends TLS.
    client_certificates: with [enrolment], gateways that have a certificate must show it; "required": those
    registered by hand too, so that they have to enrol.
    """

    host: str = "0.0.0.0"  # noqa: S104  # gateways come from outside
    port: int = Field(default=8421, ge=0, le=65_535)
    connections_max: int = Field(default=500, ge=4, le=10_000)
    connections_per_address_max: int = Field(default=50, ge=4, le=10_000)
    """A school's gateways often come from one address."""
    client_certificates: Literal["own", "required"] = "own"

    @model_validator(mode="after")
    def _never_in_clear(self) -> Self:
        if self.cert_file is None and not is_loopback(self.host):
            raise ValueError(
                "without cert_file and key_file gateways would post in clear; give both, or "
                'host = "127.0.0.1" for a proxy on this machine that ends TLS'
            )
        if self.cert_file is None and self.client_certificates == "required":
            raise ValueError(
                'client_certificates = "required" needs cert_file and key_file: a proxy ends TLS'
            )
        return self
