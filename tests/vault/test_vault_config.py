"""Which origins a vault's configuration takes: those that a browser can send, and no others."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from identity_vault.config import WebSection


@pytest.mark.parametrize(
    "origin",
    [
        "https://pulse.example.edu.cn",
        "https://pulse.example.edu.cn:8443",
        "http://127.0.0.1:8420",
        "https://[2001:db8::1]",
        "http://10.0.0.1:443",
    ],
)
def test_an_origin_as_browsers_write_it(origin: str) -> None:
    assert WebSection(origins=(origin,)).origins == (origin,)


@pytest.mark.parametrize(
    "origin",
    [
        "https://",
        "https://*",
        "null",
        "ftp://pulse.example.edu.cn",
        "https://pulse.example.edu.cn/",
        "https://pulse.example.edu.cn/console",
        "https://Pulse.example.edu.cn",
        "https://pulse.example.edu.cn:443",
        "http://pulse.example.edu.cn:80",
        "https://user@pulse.example.edu.cn",
        "https://pulse.example.edu.cn https://other.example.edu.cn",
    ],
)
def test_what_no_page_could_ever_be_of_is_refused(origin: str) -> None:
    with pytest.raises(ValidationError):
        WebSection(origins=(origin,))
