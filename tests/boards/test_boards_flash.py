"""What is copied to a board: files that MicroPython takes, and a count of starts."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

from firmware_bridges.boards.parameters import checked, number_of
from firmware_bridges.boards.starts import count_start
from firmware_bridges.boards.virtual import VirtualHal, make_board
from firmware_bridges.boards.wire import CHECK, HEARTBEAT, HELLO, KINDS, TAP, WEIGHT

BOARDS = Path(__file__).parents[2] / "firmware_bridges" / "boards"
FLASHED = (BOARDS / "flash.txt").read_text().split()


def test_micropython_takes_every_file() -> None:
    done = subprocess.run(
        ["node", Path(__file__).with_name("micropython.mjs"), "compile"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == FLASHED


def test_what_is_flashed_is_all_that_the_firmware_needs() -> None:
    shared = {name for name in FLASHED if "from __future__" not in (BOARDS / name).read_text("utf-8")}
    assert shared | {"__init__.py"} == set(FLASHED)
    for name in FLASHED:
        for line in (BOARDS / name).read_text("utf-8").splitlines():
            if line.startswith("from firmware_bridges.boards"):
                module = line.split()[1].removeprefix("firmware_bridges.boards").strip(".")
                assert f"{module}.py" in FLASHED or not module, line
    for word in ("mpremote", *FLASHED):
        assert word in (BOARDS / "README.md").read_text("utf-8"), word


def test_every_start_has_its_number(tmp_path: Path) -> None:
    count_file = tmp_path / "boot.count"
    first = count_start(str(count_file), bytes)
    assert [count_start(str(count_file), bytes) for _ in range(2)] == [first + 1, first + 2]
    count_file.write_text("torn")
    assert count_start(str(count_file), lambda size: b"\x07" * size) == 0x07_0707
    assert count_start(str(tmp_path / "no" / "flash"), lambda size: b"\x09" * size) == 0x0909_0909


def test_the_samples_on_the_page_start_a_board() -> None:
    page = (BOARDS / "README.md").read_text("utf-8")
    samples = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", page, re.DOTALL)]
    assert {sample["kind"] for sample in samples} == set(KINDS.values())
    numbers = {kind: number for number, kind in KINDS.items()}
    for sample in samples:
        board = make_board(sample["kind"], VirtualHal(bytes(8), 1))
        board.step(0)
        for name, value in sample.get("parameters", {}).items():
            assert checked(numbers[sample["kind"]], number_of(name), value) == name


def test_the_code_for_real_hardware_works_with_doubles_of_it() -> None:
    """On MicroPython: UARTs, lamps, pulses of a Wiegand reader, the bits of an HX711, and the start."""
    done = subprocess.run(
        ["node", Path(__file__).with_name("micropython.mjs"), "hardware"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    board = "e6614104032b5c28"
    assert done.stdout.splitlines() == [
        "lines [(0, 115200), (1, 9600), (2, 9600)] a545ea",
        f"desk {HELLO} {board} 0 1 1 0 0 0 -",
        f"desk {HEARTBEAT} {board} 0 0 0 0 0 0 0 -",
        f"desk {CHECK} {board} 0 1 0 1 3652 2150 0400864426",
        "lamps [1, 0, 0]",
        f"tap {HELLO} {board} 1 2 1 0 0 0 -",
        f"tap {HEARTBEAT} {board} 1 0 0 0 0 0 0 -",
        *[f"tap {TAP} {board} 1 {sequence} 0 2 1 26 650fff" for sequence in range(1, 7)],
        f"scale {HELLO} {board} 2 3 1 0 0 0 -",
        f"scale {HEARTBEAT} {board} 2 0 0 0 0 0 0 -",
        f"scale {WEIGHT} {board} 2 1 0 365 0 1 -",
        f"main {HELLO} {board} 3 2 1 0 0 0 -",
        f"main {HEARTBEAT} {board} 3 0 0 0 0 0 0 -",
        "maintenance",
    ]
