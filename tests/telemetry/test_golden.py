"""The wire format stays what it is: files written by an earlier version are read as they were, and
the same input gives the same bytes.
"""

from __future__ import annotations

import json
from typing import Final

import pytest

from tests.telemetry.make_golden import EARLIER, FILES, FOLDER, describe, unpacked

CHANGED: Final = (
    "the wire format changed. Gateways and collectors in the field speak the old one: raise the format "
    "version, keep decoding the old one (and these files), say so in docs/wire-format.md, then write "
    "new files beside them with tests/telemetry/make_golden.py"
)


@pytest.mark.parametrize("name", [*FILES, *EARLIER])
def test_old_bytes_mean_what_they_meant(name: str) -> None:
    told = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    assert describe(name, (FOLDER / f"{name}.bin").read_bytes()) == told, CHANGED


@pytest.mark.parametrize("name", list(FILES))
def test_the_same_input_gives_the_same_bytes(name: str) -> None:
    assert unpacked(FILES[name]()) == unpacked((FOLDER / f"{name}.bin").read_bytes()), CHANGED


def test_there_is_a_file_for_each_sample_and_none_besides() -> None:
    assert {file.name for file in FOLDER.iterdir()} == {
        f"{n}.{ext}" for n in (*FILES, *EARLIER) for ext in ("bin", "json")
    }
