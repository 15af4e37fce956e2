"""The words for why something does not open."""

from __future__ import annotations

import asyncio
import errno
import ssl
from pathlib import Path

import pytest

from foundation.oserrors import of_port, why


async def test_a_refused_connection_in_two_words() -> None:
    with pytest.raises(OSError) as caught:  # its words are what is tested
        await asyncio.open_connection("127.0.0.1", 1)
    assert why(caught.value) == "Connection refused"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(errno.ENOENT, "could not open port x: [Errno 2] …: 'x'"), "No such file or directory"),
        (PermissionError(errno.EACCES, "x"), "Permission denied"),
        (ValueError("not a speed"), "not a speed"),
        (TimeoutError(), "the port does not open"),
        (ssl.SSLError(524_297, "[SSL] PEM lib"), "[SSL] PEM lib"),
    ],
)
def test_what_has_no_number_says_its_text(error: Exception, told: str) -> None:
    assert why(error, "the port does not open") == told


def test_a_port_of_somebody_else_comes_with_a_remedy() -> None:
    assert "group dialout" in of_port(PermissionError(errno.EACCES, "x"))
    assert of_port(OSError(errno.ENOENT, "x")) == "No such file or directory"


def test_the_numbers_of_tls_are_not_the_systems(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("no certificate\n", "utf-8")
    with pytest.raises(ssl.SSLError) as caught:
        ssl.create_default_context(cafile=str(file))
    assert why(caught.value) == "no certificate or crl found"
