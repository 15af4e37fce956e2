"""`campus profile decode` as people and scripts use it."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from device_profiles.cli import app
from device_profiles.registry import BUNDLED, Catalogue
from device_profiles.rtu import build_exception, build_reply, build_request

runner = CliRunner(env={"COLUMNS": "200", "TERM": "dumb"})
PROBE = "renke/rs-ws-n01"
REQUEST, REPLY = build_request(1, 3, 0, 2), build_reply(1, 3, (471, 65_535))
READ = [
    {"quantity": "relative_humidity", "value": 47.1, "unit": "%", "quality": "good"},
    {"quantity": "temperature", "value": -0.1, "unit": "Cel", "quality": "good"},
]


def decode(*arguments: str, stdin: bytes | None = None) -> Result:
    return runner.invoke(app, ["decode", *arguments], input=stdin)


def lines(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.parametrize(
    "text",
    [
        "3@0: 471 65535",
        "3@0x00: 0x1D7, 0xFFFF",
        "3@0: 471; 3@1: 65535",
        '{"fc": 3, "address": 0, "registers": [471, 65535]}',
        REPLY.hex(),
        REPLY.hex(" ").upper(),
        f"{REQUEST.hex()} {REPLY.hex()}",
        f"{REQUEST.hex(' ')} -> {REPLY.hex(' ')}\n",
        (REQUEST + REQUEST + REPLY).hex(),
        json.dumps({"request": REQUEST.hex(), "response": REPLY.hex()}),
        json.dumps({"address": 0, "count": 2, "response_no_crc": REPLY[:-2].hex()}),
        json.dumps([{"response": REPLY.hex()}]),
    ],
)
def test_a_modbus_reply_in_every_spelling(text: str) -> None:
    result = decode(PROBE, text)
    assert result.exit_code == 0
    assert lines(result) == READ
    assert lines(decode(PROBE, "-", stdin=text.encode())) == READ


def test_a_response_without_its_request_is_placed_and_that_is_said() -> None:
    assert (
        "note: a response without its request: taken for the answer to 3@0+2"
        in decode(PROBE, REPLY.hex()).stderr
    )
    assert decode(PROBE, (REQUEST + REPLY).hex()).stderr == ""
    one = build_reply(254, 4, (812,)).hex()
    assert lines(decode("senseair/s8", one))[0]["quantity"] == "co2", "the row named first"


@pytest.mark.parametrize(
    ("profile", "text", "reason"),
    [
        (PROBE, REPLY[:-1].hex() + "00", "bad_crc"),
        (PROBE, REPLY[:6].hex(), "bad_crc"),
        (PROBE, REPLY.hex()[:-1], "not_hex"),
        (PROBE, "", "not_hex"),
        (PROBE, "3@0: 70000 1", "not_a_dump"),
        (PROBE, "3@0: 0 0", "blank"),
        (PROBE, REQUEST.hex(), "no_response"),
        (PROBE, build_exception(1, 3, 2).hex(), "exception: unit 1 answers FC 3 with exception 02, illegal data address"),
        (PROBE, (REQUEST + build_reply(2, 3, (1, 2))).hex(), "wrong_unit"),
        (PROBE, (REQUEST + build_reply(1, 3, (1,))).hex(), "wrong_length"),
        (PROBE, '{"fc": 3, "address": 0, "registers": ["1"]}', "not_a_dump"),
        ("senseair/s8", "4@3: 0", "missing_value"),
        ("eastron/sdm120", "4@0: 0x7FC0 0", "not_finite"),
        ("json/environment", "{", "not_json"),
        ("json/environment", "{}", "no_known_field"),
        ("tasmota/mhz19b", '{"MHZ19B": {"CarbonDioxide": 0}}', "no_reading"),
    ],
)  # fmt: skip
def test_an_input_that_rightly_gives_none_exits_3_with_the_reason(
    profile: str, text: str, reason: str
) -> None:
    result = decode(profile, text)
    assert result.exit_code == 3
    assert result.stdout == ""
    assert result.stderr.startswith(reason)


def test_part_of_an_input_may_be_refused() -> None:
    result = decode(PROBE, "3@0: 65535 230")
    assert result.exit_code == 0
    assert [line["quantity"] for line in lines(result)] == ["temperature"]
    assert result.stderr == "missing_value\n"
    assert {line["quality"] for line in lines(decode(PROBE, "3@0: 471 230", "--warming-up"))} == {"uncertain"}


def test_json_payloads_with_and_without_a_time() -> None:
    payload = '{"Time": "2026-09-01T07:59:40", "MHZ19B": {"CarbonDioxide": 1312}}'
    told = {"quantity": "co2", "value": 1312.0, "unit": "ppm"}
    good = {**told, "quality": "good", "time": "2026-08-31T23:59:40.000+00:00"}
    assert lines(decode("tasmota/mhz19b", payload)) == [good]
    assert lines(decode("tasmota/mhz19b", payload, "--received", "2026-09-01T09:00:00+08:00")) == [
        {**good, "quality": "stale"}
    ]
    other = lines(decode("tasmota/mhz19b", payload, "--zone", "UTC"))[0]
    assert other["time"] == "2026-09-01T07:59:40.000+00:00"
    assert lines(decode("tasmota/mhz19b", '{"MHZ19B": {"CarbonDioxide": 1312}}')) == [
        {**told, "quality": "good"}
    ]
    open_door = lines(decode("zigbee2mqtt/aqara-door", '{"contact": false}'))
    assert open_door == [{"quantity": "open", "value": True, "unit": "bool", "quality": "good"}]


def test_a_morning_check_is_told_without_its_card() -> None:
    payload = (
        '{"v": 1, "site": "ear", "temperature_c": 36.8, "card": "04A1B2C3D4E5F6", "symptoms": ["cough"]}'
    )
    result = decode("campus/morning-check-v1", payload)
    assert lines(result) == [
        {
            "record": "morning-check",
            "site": "ear",
            "temperature_c": 36.8,
            "ambient_c": None,
            "symptoms": ["cough"],
            "has_card": True,
        }
    ]
    assert "04a1" not in result.output.lower()


def test_a_batch(tmp_path: Path) -> None:
    file = tmp_path / "many.jsonl"
    inputs = [
        json.dumps("3@0: 471 65535"),
        json.dumps({"id": "cold", "input": "3@0: 1 2"}),
        "",
        json.dumps({"id": 7, "input": {"fc": 3, "address": 0, "registers": [0, 0]}}),
        json.dumps({"fc": 3, "address": 1, "registers": [250]}),
        "no JSON",
    ]
    file.write_text("\n".join(inputs), "utf-8")
    result = decode(PROBE, "--batch", str(file))
    assert result.exit_code == 0
    assert [(line["line"], line.get("id"), line["value"]) for line in lines(result)] == [
        (1, None, 47.1), (1, None, -0.1), (2, "cold", 0.1), (2, "cold", 0.2), (5, None, 25.0),
    ]  # fmt: skip
    assert result.stderr.splitlines()[0] == "line 4: id 7: blank"
    assert result.stderr.splitlines()[1].startswith("line 6: not_hex: ")
    assert lines(decode(PROBE, "--batch", "-", stdin=file.read_bytes())) == lines(result)
    file.write_text(inputs[3], "utf-8")
    assert decode(PROBE, "--batch", str(file)).exit_code == 3
    file.write_text('{"co2": 700}\n{"input": {"co2": 800}}\n{"input": "{\\"co2\\": 900}"}\n', "utf-8")
    assert [line["value"] for line in lines(decode("json/environment", "--batch", str(file)))] == [
        700,
        800,
        900,
    ]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["renke/rs-ws-n02", "3@0: 1 2"], "did you mean renke/rs-ws-n01"),
        ([PROBE], "expected either an INPUT or --batch FILE"),
        ([PROBE, "3@0: 1 2", "--batch", "x"], "expected either an INPUT or --batch FILE"),
        ([PROBE, "--batch", "/absent/file"], "/absent/file cannot be read"),
        ([PROBE, "3@0: 1 2", "--received", "noon"], "--received noon: expected ISO 8601 with a zone"),
        ([PROBE, "3@0: 1 2", "--received", "2026-09-01T08:00:00"], "expected ISO 8601 with a zone"),
        ([PROBE, "3@0: 1 2", "--zone", "Mars"], "--zone Mars: no such zone"),
        (["/absent/file.toml", "3@0: 1 2"], "cannot be read: No such file"),
    ],
)
def test_what_cannot_be_used_exits_2(arguments: list[str], told: str) -> None:
    result = decode(*arguments)
    assert result.exit_code == 2
    assert told in result.stderr
    assert result.stdout == ""


def test_a_profile_may_be_a_file_or_come_from_a_directory(tmp_path: Path) -> None:
    path = tmp_path / "site" / "probe.toml"
    path.parent.mkdir()
    path.write_text((BUNDLED / f"{PROBE}.toml").read_text("utf-8"), "utf-8")
    assert lines(decode(str(path), "3@0: 471 65535")) == READ
    assert lines(decode("site/probe", "3@0: 471 65535", "--dir", str(tmp_path))) == READ


def test_list_and_show_tell_the_transport() -> None:
    listed = runner.invoke(app, ["list"]).output
    kinds = [profile.spec.transport for profile in Catalogue().all()]
    assert listed.count("modbus") >= kinds.count("modbus") >= 12
    assert listed.count("mqtt-json") == kinds.count("mqtt-json")
    shown = runner.invoke(app, ["show", "peacefair/pzem-004t-v3"]).output
    assert "9600 Bd, parity none, 1 stop bit(s), unit 1" in shown
    assert "uint32 lo-hi" in shown
    assert "4@5" in shown
    relays = runner.invoke(app, ["show", "eletechsup/r421a08"]).output
    assert (
        "command relay_8  继电器 8 · Relay 8: FC 6 at 8; it takes on, off, latch, momentary, 1537 to 1791"
        in relays
    )
