"""Tests in several processes: what a file or a group makes once is made once."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.side_by_side import LONG, TOGETHER, in_order

ROOT = Path(__file__).parents[1]
FILES = [f"tests/room/test_{number}.py" for number in range(7)]
TEST = """
import os
import time

import pytest


@pytest.mark.parametrize("turn", range(4))
def test_where(turn):
    time.sleep(0.02)
    print("ran", __file__, os.environ["PYTEST_XDIST_WORKER"])
"""
CONFTEST = """
from tests.conftest import pytest_collection_modifyitems, pytest_xdist_make_scheduler
"""


def test_files_that_are_named_are_there() -> None:
    named = {*TOGETHER, *LONG} - set(TOGETHER.values())
    assert [file for file in sorted(named) if not (ROOT / file).exists()] == []


def test_nothing_is_left_out_and_the_long_ones_begin() -> None:
    ordered = in_order([*FILES, *reversed(LONG[:3])])
    assert sorted(ordered) == sorted([*FILES, *LONG[:3]])
    assert [ordered.index(unit) for unit in LONG[:3]] == [0, 3, 6]
    assert in_order(FILES) == FILES


def test_the_tests_of_a_file_run_in_one_process(tmp_path: Path) -> None:
    for name in ("one", "two", "three"):
        (tmp_path / f"test_{name}.py").write_text(TEST, "utf-8")
    (tmp_path / "conftest.py").write_text(CONFTEST, "utf-8")
    command = ["-m", "pytest", "-n", "2", "-rA", "-p", "no:schemathesis", "-p", "no:cacheprovider", "."]
    done = subprocess.run(
        [sys.executable, *command],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    found = re.findall(r"^ran \S*(test_\w+)\.py (gw\d)$", done.stdout, re.MULTILINE)
    assert len(found) == 12, done.stdout
    assert len(set(found)) == 3, "each file in one process"
    assert len({process for _, process in found}) == 2, "files in both"
