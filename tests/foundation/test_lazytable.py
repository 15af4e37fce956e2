"""Tables that load their entries when they are asked for."""

import sys
from collections.abc import Mapping
from typing import Any

import pytest

from device_profiles.registry import KINDS
from firmware_bridges.frames import CODECS, REQUESTS
from foundation.lazytable import LazyTable


@pytest.mark.parametrize("table", [CODECS, REQUESTS, KINDS])
def test_every_entry_is_there(table: Mapping[str, Any]) -> None:
    assert len(list(table)) == len(table) > 0
    for name, found in table.items():
        assert callable(found), name
        assert name in table


def test_nothing_is_loaded_before_it_is_asked_for() -> None:
    sys.modules.pop("this", None)
    table: LazyTable[str] = LazyTable({"zen": "this:s"})
    assert "zen" in table
    assert "this" not in sys.modules
    with pytest.raises(KeyError):
        table["other"]
