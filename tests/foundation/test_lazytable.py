"""Tables that load their entries when they are asked for."""

import sys
from collections.abc import Mapping
from typing import Any

import pytest

from device_profiles.payloads import PAYLOADS
from device_profiles.registry import KINDS
from firmware_bridges.frames import CODECS, REQUESTS
from foundation.lazytable import LazyTable


@pytest.mark.parametrize("table", [CODECS, REQUESTS, PAYLOADS, KINDS])
def test_every_entry_is_there(table: Mapping[str, Any]) -> None:
    assert len(list(table)) == len(table) > 0
    for name, found in table.items():
        assert callable(found), name
        assert name in table


def test_nothing_is_loaded_before_it_is_asked_for() -> None:
    sys.modules.pop("wsgiref.headers", None)
    table: LazyTable[Any] = LazyTable({"headers": "headers:Headers"}, package="wsgiref")
    assert "headers" in table
    assert "wsgiref.headers" not in sys.modules
    assert table["headers"].__name__ == "Headers"
    with pytest.raises(KeyError):
        table["other"]
