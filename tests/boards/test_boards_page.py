"""docs/morning-check-station.md and its schema say what the code does."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from datetime import UTC
from pathlib import Path
from struct import calcsize
from typing import Any

import pytest

from device_profiles import checks
from device_profiles.checks import CheckReader
from device_profiles.times import TimeLimits
from firmware_bridges.boards import wire
from firmware_bridges.frames import CODECS, FrameReader
from telemetry.quantities import QUANTITIES
from telemetry.records import SITES, SYMPTOMS

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "morning-check-station.md").read_text("utf-8")
SCHEMA: dict[str, Any] = json.loads((DOCS / "morning-check-v1.schema.json").read_text("utf-8"))
KEYS: dict[str, Any] = SCHEMA["properties"]
TYPES = {"B": "u8", "H": "u16", "I": "u32", "h": "i16", "i": "i32"}
EXAMPLES = [
    (bytes.fromhex(frame), json.loads(contents))
    for frame, contents in re.findall(r"^\| `(00 [0-9a-f ]+)` \| `(\{.*\})` \|$", PAGE, re.MULTILINE)
]
MESSAGES = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]


def _table(heading: str) -> list[tuple[str, ...]]:
    """Offset, type and field of the table that follows."""
    lines = PAGE.split(heading, 1)[1].strip().splitlines()
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append(tuple(cell.strip().strip("`") for cell in line.split("|")[1:4]))
    return rows[2:]


@pytest.mark.parametrize("type_", wire.LAYOUTS)
def test_the_byte_tables_are_those_of_the_code(type_: int) -> None:
    name, layout, fields, card_max = wire.LAYOUTS[type_]
    offset = calcsize(wire.HEADER if type_ < wire.ACK else wire.COMMAND_HEADER)
    expected = []
    for code, field in zip(layout[1:], fields, strict=True):
        expected.append((str(offset), TYPES[code], field))
        offset += calcsize("<" + code)
    if card_max:
        expected.append((str(offset), f"0–{card_max} bytes", "card"))
    assert _table(f"`{name}` 0x{type_:02X}\n") == expected


def test_the_header_is_that_of_the_code() -> None:
    assert wire.HEADER == "<BB8sI"
    assert [row[0] for row in _table("every message begins:\n")] == ["0", "1", "2", "10"]


def test_the_words_of_every_code_are_on_the_page() -> None:
    for words in (wire.KINDS, wire.SITES, wire.FAULTS):
        for word in words.values():
            assert word in PAGE


def test_the_frame_is_made_step_by_step() -> None:
    steps = re.search(r"message +(.*)\ncrc +(.*)\nframe +(.*)\n", PAGE)
    assert steps is not None
    message, crc, frame = map(bytes.fromhex, steps.groups())
    assert wire.crc16(message).to_bytes(2, "big") == crc
    assert b"\0" + wire.cobs_encode(message + crc) + b"\0" == frame == EXAMPLES[1][0]


@pytest.mark.parametrize(("frame", "contents"), EXAMPLES)
def test_the_examples_mean_what_the_page_says(frame: bytes, contents: dict[str, object]) -> None:
    (payload,) = wire.FrameSplitter().feed(frame)
    if payload[1] >= wire.ACK:
        type_, values = wire.unpack_command(payload)
        assert contents == {wire.LAYOUTS[type_][0]: list(values)}
        return
    (read,) = FrameReader(CODECS["cobs"]()).feed(frame)
    assert contents.items() <= {name: named.value for name, named in read.values.items()}.items()


def test_every_kind_of_message_has_an_example() -> None:
    assert {wire.FrameSplitter().feed(frame)[0][1] for frame, _ in EXAMPLES} == set(wire.LAYOUTS)


def test_the_schema_is_that_of_the_reader() -> None:
    assert set(KEYS) == checks.KEYS
    assert SCHEMA["additionalProperties"] is False
    assert KEYS["v"]["const"] == checks.VERSION
    assert tuple(KEYS["site"]["enum"]) == SITES
    assert tuple(KEYS["symptoms"]["items"]["enum"]) == SYMPTOMS
    assert KEYS["symptoms"]["maxItems"] == checks.SYMPTOMS_MAX
    assert KEYS["card"]["maxLength"] == checks.CARD_CHARACTERS_MAX
    assert (KEYS["temperature_c"]["minimum"], KEYS["temperature_c"]["maximum"]) == checks.TEMPERATURE_C
    air = QUANTITIES["temperature"]
    assert (KEYS["ambient_c"]["minimum"], KEYS["ambient_c"]["maximum"]) == (air.low, air.high)


def _read(message: dict[str, object]) -> tuple[bool, list[str]]:
    reader, refused = CheckReader("gate-1", "gate", UTC, TimeLimits()), list[str]()
    received_ms = 1_788_300_000_000
    return reader.read(message, received_ms, refused, trust_device_time=True) is not None, refused


@pytest.mark.parametrize("key", sorted(checks.KEYS))
def test_what_the_schema_requires_the_reader_requires(key: str) -> None:
    taken, _ = _read({name: value for name, value in MESSAGES[0].items() if name != key})
    assert taken == (key not in SCHEMA["required"])


@pytest.mark.parametrize(
    "card", ["04:a2:b3:1c", "04A2", "04-A2-B3-1C", "0" * 32, "04A", "0" * 33, "4G00", "", ":::"]
)
def test_a_card_is_one_for_both(card: str) -> None:
    taken, refused = _read(MESSAGES[0] | {"card": card})
    assert taken
    assert (re.fullmatch(KEYS["card"]["pattern"], card) is not None) == (refused == [])


@pytest.mark.parametrize("message", MESSAGES)
def test_the_messages_of_the_page_are_read(message: dict[str, object]) -> None:
    assert set(SCHEMA["required"]) <= set(message) <= set(KEYS)
    assert _read(message) == (True, [])


def test_the_commands_of_the_page_work() -> None:
    commands = [
        shlex.split(line, comments=True)
        for line in re.findall(r"^campus profile decode .*$", PAGE, re.MULTILINE)
    ]
    assert len(commands) == 2
    for command in commands:
        done = subprocess.run(
            [Path(sys.executable).with_name("campus"), *command[1:]],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout.splitlines()[0])["record"] == "morning-check"
