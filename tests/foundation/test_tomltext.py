"""What is written as TOML reads as it was."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.tomltext import toml_text

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
_KEYS = st.sampled_from(["name", "id", "devices"]) | _TEXT
_VALUES = st.recursive(
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(_KEYS, _VALUES, max_size=5))
def test_it_reads_as_it_was(document: dict[str, Any]) -> None:
    assert tomllib.loads(toml_text(document, first=("name", "id"))) == document


def test_it_looks_as_people_write_it() -> None:
    document = {
        "modbus": [
            {
                "devices": [{"interval_s": 10, "id": "air-301"}, {"id": "air-302"}],
                "name": "hall",
                "tcp": {"host": "192.168.7.20", "port": 502},
            }
        ],
        "silence": {"after_s": {"door-*": 90000}},
        "batch": {"interval_s": 2.5},
    }
    assert toml_text(document, first=("name", "id")) == (
        "[[modbus]]\n"
        'name = "hall"\n'
        'tcp = { host = "192.168.7.20", port = 502 }\n'
        "\n"
        "[[modbus.devices]]\n"
        'id = "air-301"\n'
        "interval_s = 10\n"
        "\n"
        "[[modbus.devices]]\n"
        'id = "air-302"\n'
        "\n"
        "[silence]\n"
        'after_s = { "door-*" = 90000 }\n'
        "\n"
        "[batch]\n"
        "interval_s = 2.5\n"
    )


@pytest.mark.parametrize("value", [None, [1, None], {"inner": None}])
def test_what_toml_has_not(value: object) -> None:
    with pytest.raises(TypeError, match="TOML has no NoneType"):
        toml_text({"key": value})
