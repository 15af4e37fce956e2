"""The certificate that a server of ours shows: the settings that name it, and TLS made from them."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Self

from pydantic import model_validator

from foundation.commands import UsageError
from foundation.oserrors import why
from foundation.tomlfile import StrictModel


class CertificateSection(StrictModel):
    """A section of a configuration that may name a certificate.

    cert_file, key_file: the certificate with its chain, and its key without a passphrase.
    """

    cert_file: Path | None = None
    key_file: Path | None = None

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file belong together: give both or neither")
        return self

    @property
    def certificate(self) -> tuple[Path, Path] | None:
        return None if self.cert_file is None or self.key_file is None else (self.cert_file, self.key_file)

    def relative_to(self, folder: Path) -> Self:
        """The same with the files it names looked for in `folder`."""
        files = {name: getattr(self, name) for name in ("cert_file", "key_file")}
        return self.model_copy(update={name: folder / file for name, file in files.items() if file})


def server_context(certificate: tuple[Path, Path], section: str) -> ssl.SSLContext:
    """TLS 1.2 and newer with this certificate and key. Raises UsageError, which names `section`."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # A key with a passphrase cannot be used: nobody is there to be asked.
        context.load_cert_chain(*certificate, password="")
    except OSError as error:  # ssl.SSLError is one
        cert_file, key_file = certificate
        raise UsageError(
            f"[{section}] cert_file {cert_file} and key_file {key_file} cannot be used: {why(error)}; "
            "both in PEM, the key without a passphrase"
        ) from error
    return context
