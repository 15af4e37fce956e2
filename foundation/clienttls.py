"""TLS of whoever asks: whom it believes and what it shows of itself, from files that may change meanwhile."""

from __future__ import annotations

import contextlib
import ssl
from pathlib import Path

from foundation.oserrors import why


class TlsFileError(Exception):
    """A certificate or key that cannot be used; the message names the file."""


class ClientTls:
    """Made with the first use, since the authorities' certificates take time and memory, and again when a
    file has changed: a certificate that was renewed counts from the next connection on.

    ca_file: who must have signed the other's certificate; left out, who the system trusts. certificate: what
    we show, with its key. unknown: of the other's certificate nothing is checked unless there is a ca_file;
    for a first contact, in which something else than the certificate proves who answers.
    """

    def __init__(
        self, ca_file: Path | None, certificate: tuple[Path, Path] | None, *, unknown: bool = False
    ) -> None:
        self._ca_file = ca_file
        self._certificate = certificate
        self._unknown = unknown and ca_file is None
        self._context: ssl.SSLContext | None = None
        self._stamp: tuple[object, ...] = ()

    def forget(self) -> None:
        """The files are read again at the next use, changed or not."""
        self._context = None

    def context(self) -> ssl.SSLContext:
        """Raises TlsFileError."""
        # Before the files are read: a change in between is seen the next time.
        stamp = tuple(map(_stamp, (self._ca_file, *(self._certificate or ()))))
        if self._context is None or stamp != self._stamp:
            self._context, self._stamp = self._made(), stamp
        return self._context

    def _made(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=None if self._ca_file is None else str(self._ca_file))
        except OSError as error:  # ssl.SSLError is one
            raise TlsFileError(
                f"{self._ca_file} holds no certificate that can be used: {why(error)}"
            ) from error
        if self._unknown:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self._certificate is not None:
            try:
                # A key with a passphrase is one that cannot be used: nobody is there to be asked.
                context.load_cert_chain(*self._certificate, password="")
            except OSError as error:
                names = " and ".join(map(str, self._certificate))
                raise TlsFileError(f"{names} cannot be shown as ours: {why(error)}") from error
        return context


def _stamp(file: Path | None) -> object:
    """Something else after every change of the file."""
    with contextlib.suppress(OSError):
        if file is not None:
            found = file.stat()
            return found.st_ino, found.st_mtime_ns, found.st_size
    return None
