"""The tables written for a gateway are TOML, whatever stands in them."""

from __future__ import annotations

import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from simulators.gateway_file import gateway_tables
from simulators.hosts import Served

values = st.recursive(
    st.booleans() | st.integers(-(2**60), 2**60) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.from_regex("[a-z_]{1,8}", fullmatch=True), inner)
    ),
    max_leaves=8,
)
rows = st.dictionaries(st.from_regex("[a-z_]{1,8}", fullmatch=True), values, max_size=4)


@given(rows, st.lists(rows, min_size=1, max_size=3))
def test_what_is_written_is_what_is_read(source: dict[str, Any], devices: list[dict[str, Any]]) -> None:
    table = {**source, "devices": devices}
    served = [
        Served("gw-1", "modbus", "somewhere", ("one",), table),
        Served("gw-2", "ble", "elsewhere", ("two",), {"name": "other"}),
        Served("gw-1", "modbus", "somewhere", ("three",), table),
    ]
    assert tomllib.loads(gateway_tables(served, "gw-1")) == {"modbus": [table, table]}
