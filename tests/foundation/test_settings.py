"""Values of configurations that several programs share."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from foundation import settings
from foundation.loopback import is_loopback
from foundation.settings import Identifier, PublicKeyText, ServiceUrl, Zone
from telemetry.topics import IDENTIFIER


def test_identifiers_are_those_of_topics() -> None:
    assert settings._IDENTIFIER.pattern == IDENTIFIER.pattern


@pytest.mark.parametrize(
    ("kind", "good", "bad", "words"),
    [
        (Identifier, "gw-301", "GW 301", "lower-case letters"),
        (Zone, "Asia/Shanghai", "Asia/Nowhere", "not a time zone"),
        (Zone, "UTC", "../etc/passwd", "not a time zone"),
        (PublicKeyText, "G3c3uUo8wJpQkqVqYl0M0xU1n7y0p2m7hJ8q1rJm9T8=", "G3c3", "44 characters of Base64"),
        (ServiceUrl, "https://vault.example", "http://vault.example", "must begin with https://"),
    ],
)
def test_a_bad_value_says_what_is_expected(kind: Any, good: str, bad: str, words: str) -> None:
    adapter: TypeAdapter[str] = TypeAdapter(kind)
    assert adapter.validate_python(good) == good
    with pytest.raises(ValidationError, match=words):
        adapter.validate_python(bad)


def test_only_this_machine_is_this_machine() -> None:
    assert all(map(is_loopback, ("localhost", "127.0.0.1", "127.8.0.1", "::1")))
    others = ("", "0.0.0.0", "::", "localhost.example", "127.0.0.1.example", "10.0.0.1", "vault")
    assert not any(map(is_loopback, others))
