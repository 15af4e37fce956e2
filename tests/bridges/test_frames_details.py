"""What is particular to each framing: bytes of manuals, limits, and what encoders make."""

from __future__ import annotations

import struct
from binascii import crc_hqx

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridges.frames import (
    CODECS,
    REQUESTS,
    Frame,
    FrameReader,
    dlt645,
    osdp,
    plantower,
    rdm6300,
    scaletext,
    shdlc,
    wiegand,
    winsen,
    yaohua,
    yaohua_a12,
)
from firmware_bridges.frames.dlt645_items import read_items, write_items
from telemetry.named import Value


def _read(codec: str, data: bytes) -> tuple[list[Frame], dict[str, int]]:
    reader = FrameReader(CODECS[codec]())
    return reader.feed(data) + reader.finish(), dict(reader.faults)


def _values(codec: str, data: bytes) -> dict[str, Value]:
    (frame,), faults = _read(codec, data)
    assert not faults
    return {name: named.value for name, named in frame.values.items()}


@given(st.binary(min_size=1, max_size=29))
def test_plantower_frames_of_any_length_go_round(words: bytes) -> None:
    payload = words * 2
    (frame,), faults = _read("plantower", plantower.encode(payload))
    assert (frame.payload, faults) == (payload, {})


@given(st.binary(max_size=255))
def test_shdlc_stuffs_whatever_the_data_is(data: bytes) -> None:
    frame = shdlc.encode(data, command=0xD0)
    assert not set(frame[1:-1]) & set(b"\x7e\x11\x13")
    assert _read("shdlc", frame)[0][0].payload == data


def test_shdlc_tells_requests_refusals_and_a_sensor_without_news() -> None:
    asked = shdlc.encode_request()
    assert asked == bytes.fromhex("7e00030000fc7e")[:3] + bytes.fromhex("00fc7e")  # SPS30 datasheet, 5.3.3
    assert _values("shdlc", asked) == {"command": 3, "request": ""}
    assert _read("shdlc", shdlc.encode(b"")) == ([], {"not_ready": 1})
    assert _read("shdlc", shdlc.encode(b"", state=0x43)) == ([], {"not_ready": 1})
    assert _read("shdlc", shdlc.encode(b"", state=0x04)) == ([], {"device_refused": 1})
    fan_is_worn = shdlc.encode(struct.pack(">10f", *range(10)), state=0x80)
    assert len(_read("shdlc", fan_is_worn)[0]) == 1
    assert _read("shdlc", bytes.fromhex("7e00030028000000d47e"))[1]["bad_length"] == 1


@pytest.mark.parametrize("data", ["86 01ff 42000000", "86 ff00 42000000", "17 0400 00ff 1388"])
def test_winsen_is_not_held_by_the_data_of_a_frame_that_is_repeated(data: str) -> None:
    frame = winsen.encode(bytes.fromhex(data))
    for cut in range(len(frame)):
        reader = FrameReader(CODECS["winsen"]())
        frames = reader.feed(frame[cut:] + 3 * frame)
        assert frames[-1].payload == bytes.fromhex(data)


def test_winsen_makes_the_request_of_the_manual() -> None:
    assert winsen.encode(winsen.READ) == bytes.fromhex("ff0186000000000079")


@pytest.mark.parametrize(
    ("text", "mass", "kind"),
    [
        (b"\x02+00070123\x03", None, None),
        (b"\x02+00326001C\x03", 3260.0, None),
        (b"\x02-00012311C\x03", -12.3, None),
        (b"\x02+   1231\x03", None, None),
    ],
)
def test_yaohua_reads_signs_and_decimals(text: bytes, mass: float | None, kind: str | None) -> None:
    frames, faults = _read("yaohua", text)
    if mass is None:
        assert not frames
        assert faults
    else:
        assert frames[0].values["mass"].value == mass


@given(st.integers(-999_999, 999_999), st.integers(0, 4))
def test_yaohua_weights_go_round(number: int, decimals: int) -> None:
    mass = number / 10**decimals
    assert _values("yaohua", yaohua.encode(mass, decimals=decimals)) == {"mass": mass}


def test_yaohua_answers_commands_too() -> None:
    body = b"AB+0016500"
    check = 0
    for byte in body:
        check ^= byte
    answer = b"\x02" + body + b"%02X\x03" % check
    assert _values("yaohua", answer) == {"mass": 1650.0, "kind": "gross"}
    with pytest.raises(ValueError, match="six digits"):
        yaohua.encode(1_000_000)


@pytest.mark.parametrize(
    ("line", "values"),
    [
        (b"WG004.139kg3D\r\n", {"mass": 4.139, "kind": "gross"}),  # the manual's own example
        (b"         OL23\r\n", {"mass": None, "overload": True}),
        (b"         LO23\r\n", {"mass": None, "overload": False}),
        (b"wn-0000.1kg", {"mass": -0.1, "kind": "net"}),
        (b"wt000.500kg\r", {"mass": 0.5, "kind": "tare"}),
        (b"ww010.000lb\n", {"mass": 4.535924, "kind": "gross"}),
        (b"\x80noise ww   12 kg\n", {"mass": 12.0, "kind": "gross"}),
    ],
)
def test_a12_lines(line: bytes, values: dict[str, Value]) -> None:
    assert _values("yaohua-a12", line) == values


def test_a12_notices_a_wrong_check() -> None:
    assert _read("yaohua-a12", b"WG004.138kg3D\r\n") == ([], {"bad_checksum": 1})
    assert _read("yaohua-a12", b"hello\r\n") == ([], {"not_a_weight": 1})
    with pytest.raises(ValueError, match="seven characters"):
        yaohua_a12.encode(100_000)


@given(
    grams=st.integers(-99_999, 999_999), kind=st.sampled_from(["gross", "net", "tare"]), check=st.booleans()
)
def test_a12_weights_go_round(*, grams: int, kind: str, check: bool) -> None:
    line = yaohua_a12.encode(grams / 1000, kind=kind, check=check)
    assert _values("yaohua-a12", line) == {"mass": grams / 1000, "kind": kind}


@pytest.mark.parametrize(
    ("line", "mass", "stable", "kind"),
    [
        (b"US,GS,+0012345kg", 12345.0, False, "gross"),
        (b"ST,NT,-0012.34kg", -12.34, True, "net"),
        (b"ST,TR,+0000500 g", 0.5, True, "tare"),
        (b"ST,GS,+00001.5 t", 1500.0, True, "gross"),
        (b"ST,GS,+0000010lb", 4.535924, True, "gross"),
        (b"ST,+00012.34  g", 0.01234, True, None),
        (b"ST,G ,+01234.5kg", 1234.5, True, "gross"),
        (b"ST,OK,+0001.234 kg", 1.234, True, None),
        (b"ST,GS,1\xc4,  0013.5 kg", 13.5, True, "gross"),  # CAS, 22 bytes
        (b"ST,US,+0.520,kg", 0.52, False, None),  # a canteen scale that is still moving
        (b"OL,GS,+    .  kg", None, False, "gross"),
        (b"OL,+999999E+19g", None, False, None),
    ],
)
def test_lines_of_scales(line: bytes, mass: float | None, stable: bool, kind: str | None) -> None:  # noqa: FBT001
    values = _values("scale-text", line + b"\r\n")
    assert (values["mass"], values["stable"], values.get("kind")) == (mass, stable, kind)
    assert values["overload"] is line.startswith(b"OL")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"QT,+00012345 PC", "unknown_unit"),
        (b"ST,GS,+    .  kg", "not_a_weight"),
        (b"ST,GS,+0012", "not_a_weight"),
        (b"+0012.3kg", "not_a_weight"),
    ],
)
def test_lines_that_are_no_weight(line: bytes, reason: str) -> None:
    assert _read("scale-text", line + b"\r\n") == ([], {reason: 1})


@given(st.integers(-999_999, 999_999), st.booleans(), st.sampled_from([("GS", "gross"), ("NT", "net")]))
def test_scale_lines_go_round(grams: int, stable: bool, kind: tuple[str, str]) -> None:  # noqa: FBT001
    line = scaletext.encode(grams / 1000, stable=stable, kind=kind[0])
    assert len(line) == 18
    values = _values("scale-text", line)
    assert values == {"mass": grams / 1000, "stable": stable, "overload": False, "kind": kind[1]}


def test_rdm6300_takes_the_line_end_of_the_id12() -> None:
    plain = rdm6300.encode(bytes.fromhex("010063E9AE"))
    assert plain == b"\x02010063E9AE25\x03"
    assert _read("rdm6300", plain[:-1] + b"\r\n\x03")[0] == _read("rdm6300", plain)[0]


@pytest.mark.parametrize(
    ("bits", "reason"),
    [("1" * 26, "bad_parity"), ("0" * 34, "bad_parity"), ("1011", "bad_length"), ("card", "not_bits")],
)
def test_wiegand_refuses(bits: str, reason: str) -> None:
    assert _read("wiegand", bits.encode()) == ([], {reason: 1})


@given(st.binary(min_size=3, max_size=4))
def test_wiegand_cards_go_round(card: bytes) -> None:
    assert _values("wiegand", wiegand.encode(card))["card_uid"] == card.hex().upper()


def test_dlt645_builds_the_request_that_was_captured() -> None:
    assert dlt645.encode_request("042109984068", "00010000") == bytes.fromhex(
        "fefefefe68684098092104681104333334332016"
    )
    assert REQUESTS["dlt645"]("1", "02010100") == dlt645.encode_request("000000000001", "02010100")
    assert _values("dlt645", dlt645.encode_request(dlt645.ANY_ADDRESS, "02010100")) == {
        "meter_address": "AAAAAAAAAAAA",
        "data_identifier": "02010100",
        "request": 0x11,
    }
    for address, identifier in [("1234567890123", "00010000"), ("x", "00010000"), ("1", "0001000g")]:
        with pytest.raises(ValueError, match=r"address|identifier"):
            dlt645.encode_request(address, identifier)


@pytest.mark.parametrize(
    ("identifier", "values"),
    [
        ("0000FF00", {"energy_total": 12.34, "energy_total_tariff_1": 5.0, "energy_total_tariff_2": 7.34}),
        ("00000000", {"energy_total": -0.5}),
        ("00010000", {"energy_import": 799_999.99}),
        ("00020000", {"energy_export": 0.01}),
        ("00010200", {"energy_import_tariff_2": 3.5}),
        ("0201FF00", {"voltage_l1": 231.4, "voltage_l2": 229.9, "voltage_l3": 0.0}),
        ("02010100", {"voltage_l1": 220.0}),
        ("0202FF00", {"current_l1": 1.234, "current_l2": -0.001, "current_l3": 79.999}),
        ("0203FF00", {"power_total": -1.5, "power_l1": 0.5, "power_l2": 0.5, "power_l3": -2.5}),
        ("02030000", {"power_total": 6.6}),
        ("02040100", {"reactive_power_l1": -0.25}),
        ("02060000", {"power_factor_total": 0.987}),
        ("02060300", {"power_factor_l3": -1.0}),
        ("02800002", {"frequency": 50.02}),
        ("02800007", {"internal_temperature": -5.5}),
    ],
)
def test_dlt645_numbers_go_round(identifier: str, values: dict[str, float]) -> None:
    found = _values("dlt645", dlt645.encode("42", identifier, values))
    assert found.pop("meter_address") == "000000000042"
    assert found.pop("data_identifier") == identifier
    assert {name: value for name, value in found.items() if value is not None} == values


def test_dlt645_meters_that_refuse_lack_a_phase_or_tell_rubbish() -> None:
    assert _read("dlt645", dlt645.encode_refusal("42")) == ([], {"device_refused": 1})
    lacking = _values("dlt645", dlt645.encode("42", "0201FF00", {"voltage_l1": 220.0}))
    assert (lacking["voltage_l1"], lacking["voltage_l3"]) == (220.0, None)
    assert read_items("0201FF00", b"\x00\x22") == {"voltage_l1": (220.0, "V")}
    assert read_items("04000402", b"12345678") == {}
    for data in (b"\x1f\x22", b"\x00", b"\x00\x22\x00"):
        with pytest.raises(ValueError, match=r"digits|within|more"):
            read_items("02010100", data)
    with pytest.raises(ValueError, match="room"):
        write_items("02010100", {"voltage_l1": 1000.0})
    with pytest.raises(ValueError, match="negative"):
        write_items("02010100", {"voltage_l1": -1.0})
    with pytest.raises(ValueError, match="no such"):
        write_items("04000402", {})


@given(st.text("0123456789ABCDEF", min_size=8, max_size=8), st.binary(max_size=100))
def test_any_data_of_a_meter_is_numbers_or_none(identifier: str, data: bytes) -> None:
    try:
        found = read_items(identifier, data)
    except ValueError:
        return
    assert all(named.value is None or isinstance(named.value, float) for named in found.values())


def test_osdp_tells_cards_in_clear_and_none_of_a_secure_channel() -> None:
    card = b"\x50\x00\x01\x1a\x00" + bytes.fromhex("32a1ffc0")
    values = _values("osdp", osdp.encode(card, address=3, sequence=1))
    assert values == {
        "address": 3,
        "sequence": 1,
        "reply": "RAW 0x50",
        "reader": 0,
        "format": 1,
        "bit_count": 26,
        "card_uid": "32A1FFC0",
    }
    secured = bytearray(osdp.encode(b"\x02\x18" + card + bytes(4), address=3)[1:-2])
    secured[4] |= osdp.WITH_SECURITY
    sealed = bytes(secured) + crc_hqx(bytes(secured), osdp.CRC_START).to_bytes(2, "little")
    assert _values("osdp", sealed) == {"address": 3, "sequence": 0, "reply": "RAW 0x50"}


def test_osdp_with_a_sum_and_with_an_unknown_code() -> None:
    packet = bytes.fromhex("5380070000") + b"\xee"
    assert _values("osdp", packet + bytes((-sum(packet) & 0xFF,)))["reply"] == "UNKNOWN 0xEE"
    assert _read("osdp", packet + b"\x00")[1]["bad_checksum"] == 1
