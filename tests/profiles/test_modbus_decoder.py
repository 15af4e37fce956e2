"""The rules of Modbus profiles, one by one, on small profiles of the tests' own."""

import struct
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_profiles.modbus import ModbusDecoder, RegisterRead, bind_modbus
from device_profiles.modbus_input import parse_answers
from device_profiles.modbus_schema import ModbusProfile
from device_profiles.registry import Catalogue, Profile, WrongTransportError
from device_profiles.rtu import FrameError, build_reply
from foundation import tomlfile
from telemetry.readings import Chunk, SeriesKey, SeriesTable

HEAD = """\
transport = "modbus"
name = { zh = "示例", en = "Example" }
vendor = "Example"
source = "https://example.org/manual"
examples = [{ about = "none", input = "3@0: 0" }]
"""
CODES = {
    "uint16": "H", "int16": "h", "uint32": "I", "int32": "i", "uint64": "Q", "int64": "q",
    "float32": "f", "float64": "d",
}  # fmt: skip


def row(quantity: str, address: int, kind: str = "uint16", fc: int = 3, **more: str) -> str:
    lines = {"quantity": f'"{quantity}"', "fc": str(fc), "address": str(address), "type": f'"{kind}"', **more}
    return "[[fields]]\n" + "".join(f"{name} = {value}\n" for name, value in lines.items())


def profile(rest: str) -> Profile:
    return Profile("test/device", "test.toml", tomlfile.parse((HEAD + rest).encode(), ModbusProfile, "t"))


class Bench:
    """A bound decoder with its table; readings as {quantity: (value, quality)}."""

    def __init__(self, rest: str, **options: Any) -> None:
        self.table = SeriesTable()
        self.decoder: ModbusDecoder = bind_modbus(
            profile(rest), device="dev", place="main/1", table=self.table, **options
        )
        self.refused: tuple[str, ...] = ()

    def read(
        self, address: int, registers: Sequence[Any], *, fc: int = 3, warming_up: bool = False
    ) -> dict[str, tuple[float, str]]:
        chunk = Chunk()
        read = RegisterRead(fc, address, len(registers))
        self.refused = self.decoder.decode(read, registers, 7, chunk, warming_up=warming_up)
        assert set(chunk.time_ms) <= {7}
        return {one.series.quantity: (one.value, one.quality.name) for one in chunk.readings(self.table)}


CLIMATE = row("relative_humidity", 0, unit='"%"', scale="0.1", missing="[65535]") + row(
    "temperature", 1, "int16", unit='"Cel"', scale="0.1"
)


def test_types_scale_and_sign() -> None:
    bench = Bench(CLIMATE)
    assert bench.read(0, [658, 65435]) == {
        "relative_humidity": (65.8, "GOOD"),
        "temperature": (-10.1, "GOOD"),
    }
    assert bench.refused == ()
    assert bench.table[0] == SeriesKey("relative_humidity", "dev", "main/1", "test/device")


def test_every_tenth_and_hundredth_is_the_decimal_that_was_meant() -> None:
    bench = Bench(
        row("power", 0, unit='"W"', scale="0.1")
        + row("current", 1, unit='"A"', scale="0.001")
        + row("energy", 2, "uint32", unit='"Wh"')
        + row("pressure", 4, unit='"kPa"', scale="0.1")
        + row("temperature", 5, unit='"degF"', scale="0.1", decimals="1")
    )
    for raw in range(0, 65_536, 7):
        values = bench.read(0, [raw, raw, raw, raw, raw, 716])
        assert values["power"][0] == float(f"{raw // 10}.{raw % 10}")
        assert values["current"][0] == float(f"{raw // 1000}.{raw % 1000:03}")
        assert values["energy"][0] == round((raw << 16 | raw) / 1000, 3)
        assert values["pressure"][0] == raw
        assert values["temperature"][0] == 22.0


numbers = {
    "uint16": st.integers(0, 2**16 - 1), "int16": st.integers(-(2**15), 2**15 - 1),
    "uint32": st.integers(0, 2**32 - 1), "int32": st.integers(-(2**31), 2**31 - 1),
    "uint64": st.integers(0, 10**5), "int64": st.integers(-(10**5), 10**5),
    "float32": st.floats(-1e5, 1e5, width=32), "float64": st.floats(-1e5, 1e5),
}  # fmt: skip


@pytest.mark.parametrize("words", ["hi-lo", "lo-hi"])
@pytest.mark.parametrize("octets", ["big", "little"])
@pytest.mark.parametrize("kind", CODES)
@settings(max_examples=20)
@given(data=st.data())
def test_every_type_goes_round_in_every_order(
    kind: str, octets: str, words: str, data: st.DataObject
) -> None:
    value = data.draw(numbers[kind])
    raw = struct.pack(f">{CODES[kind]}", value)
    registers = list(struct.unpack(f"{'>' if octets == 'big' else '<'}{len(raw) // 2}H", raw))
    if words == "lo-hi":
        registers.reverse()
    orders = f'word_order = "{words}"\nbyte_order = "{octets}"\n'
    bench = Bench(orders + row("power", 3, kind, low="-100000", high="100000", unit='"W"'))
    found = bench.read(2, [0xAAAA, *registers, 0x5555])
    assert found["power"][0] == pytest.approx(value, abs=1e-6)
    assert str(found["power"][0]) != "-0.0"
    alone = bench.read(3, registers)
    assert alone == found


def test_orders_may_differ_between_rows_of_one_read_and_rows_may_overlap() -> None:
    bench = Bench(
        row("power", 0, "uint32", word_order='"lo-hi"', unit='"W"')
        + row("power_l1", 2, "uint32", unit='"W"')
        + row("power_l2", 3, unit='"W"')
        + row("power_l3", 4, byte_order='"little"', unit='"W"')
    )
    assert bench.decoder.reads == (RegisterRead(3, 0, 5),)
    found = bench.read(0, [5, 1, 1, 6, 0x0700])
    assert {name: value for name, (value, _) in found.items()} == {
        "power": 65_541.0,
        "power_l1": 65_542.0,
        "power_l2": 6.0,
        "power_l3": 7.0,
    }


def test_missing_not_finite_and_out_of_range() -> None:
    bench = Bench(CLIMATE + row("power", 2, "float32", unit='"W"'))
    assert bench.read(0, [65_535, 999, 0x7FC0, 0]) == {"temperature": (99.9, "OUT_OF_RANGE")}
    assert bench.refused == ("missing_value", "not_finite")
    for registers in ([0x7F80, 0], [0xFF80, 0], [0xFFFF, 0xFFFF]):
        assert bench.read(2, registers) == {}
        assert set(bench.refused) == {"not_finite"}
    huge = Bench(row("energy", 0, "uint64", unit='"kWh"'))
    assert huge.read(0, [0xFFFF] * 4) == {}
    assert huge.refused == ("number_too_large",)
    named = Bench(row("energy", 0, "uint64", unit='"kWh"', missing=f"[{2**63 - 1}]"))
    assert named.read(0, [0x7FFF, 0xFFFF, 0xFFFF, 0xFFFF]) == {}
    assert named.refused == ("missing_value",)


def test_warm_up_makes_readings_uncertain_but_not_plausible() -> None:
    bench = Bench(CLIMATE)
    assert bench.read(0, [658, 999], warming_up=True) == {
        "relative_humidity": (65.8, "UNCERTAIN"),
        "temperature": (99.9, "OUT_OF_RANGE"),
    }


def test_a_blank_reply_gives_nothing_but_one_register_is_no_pattern() -> None:
    bench = Bench("blank = [0, 0xFFFF]\n" + CLIMATE)
    for word in (0, 0xFFFF):
        assert bench.read(0, [word, word]) == {}
        assert bench.refused == ("blank",)
    assert bench.read(1, [0]) == {"temperature": (0.0, "GOOD")}
    assert bench.read(0, [0, 1]) == {"relative_humidity": (0.0, "GOOD"), "temperature": (0.1, "GOOD")}
    several = Bench("blank = [0]\nblank_count_min = 3\n" + CLIMATE)
    assert len(several.read(0, [0, 0])) == 2
    assert several.read(0, [0, 0, 0]) == {}
    little = Bench('blank = [258]\nbyte_order = "little"\n' + CLIMATE)
    little.read(0, [258, 258])
    assert little.refused == ("blank",)


def test_bits_of_a_register_and_truth_values() -> None:
    bench = Bench(
        row("open", 0, "bit", bit="0")
        + row("battery_low", 0, "bit", bit="15", invert="true")
        + row("tamper", 1)
        + row("status", 2, unit='"1"', map='{ "0x10" = 3, "7" = 4 }')
    )
    found = bench.read(0, [0x8001, 1, 16])
    assert found == {
        "open": (1.0, "GOOD"),
        "battery_low": (0.0, "GOOD"),
        "tamper": (1.0, "GOOD"),
        "status": (3.0, "GOOD"),
    }
    assert set(bench.read(0, [0, 2, 8])) == {"open", "battery_low"}
    assert sorted(bench.refused) == ["not_a_bool", "not_in_map"]


def test_coils_and_discrete_inputs() -> None:
    bench = Bench(row("open", 3, "bit", fc=2) + row("relay_1", 5, "bit", fc=2, unit='"1"'))
    assert bench.decoder.reads == (RegisterRead(2, 3, 3),)
    assert bench.read(3, [True, False, 1], fc=2) == {"open": (1.0, "GOOD"), "relay_1": (1.0, "GOOD")}
    assert bench.read(3, [2, 0, []], fc=2) == {}
    assert bench.refused == ("not_a_bit", "not_a_bit")


@pytest.mark.parametrize(
    ("registers", "reason"),
    [
        ([], "wrong_length"),
        ([1], "wrong_length"),
        ([1, 2, 3], "wrong_length"),
        ([-1, 0], "not_registers"),
        ([0, 65_536], "not_registers"),
        ([0, 1.5], "not_registers"),
        ([None, 0], "not_registers"),
        ([[], 0], "not_registers"),
        ([10**30, 0], "not_registers"),
    ],
)
def test_what_are_no_registers_is_refused(registers: list[Any], reason: str) -> None:
    bench, chunk = Bench("blank = [0]\n" + CLIMATE), Chunk()
    assert bench.decoder.decode(RegisterRead(3, 0, 2), registers, 0, chunk) == (reason,)
    assert len(chunk) == 0


def test_registers_that_no_row_knows() -> None:
    bench = Bench(row("power", 10, "uint32", unit='"W"'))
    for address, count in ((0, 4), (11, 1), (10, 1), (10, 0)):
        assert bench.read(address, [0] * count) == {}
        assert bench.refused == ("no_known_register",)
    assert bench.read(10, [0, 1], fc=4) == {}
    assert bench.refused == ("no_known_register",)


def spread(*addresses: int) -> str:
    names = [f"relay_{number}" for number in range(1, 9)]
    return "".join(row(names[at], address, unit='"1"') for at, address in enumerate(addresses))


@pytest.mark.parametrize(
    ("rules", "addresses", "reads"),
    [
        ("", (0, 1, 2), [(0, 3)]),
        ("", (2, 0, 1), [(0, 3)]),
        ("gap_max = 2\n", (0, 3, 7), [(0, 4), (7, 1)]),
        ("gap_max = 0\n", (0, 1, 3), [(0, 2), (3, 1)]),
        ("registers_max = 2\n", (0, 1, 2, 3, 4), [(0, 2), (2, 2), (4, 1)]),
        ("gap_max = 125\nregisters_max = 10\n", (0, 9, 10), [(0, 10), (10, 1)]),
    ],
)
def test_neighbours_share_a_read(rules: str, addresses: tuple[int, ...], reads: list[Any]) -> None:
    found = Bench(rules + spread(*addresses)).decoder.reads
    assert [(read.address, read.count) for read in found] == reads


def test_a_gateway_may_allow_less_and_a_device_may_have_less() -> None:
    rows = spread(0, 1, 2, 3)
    assert len(Bench(rows, registers_max=2).decoder.reads) == 2
    assert len(Bench("registers_max = 2\n" + rows, registers_max=125).decoder.reads) == 2
    fitted = Bench(rows, only={"relay_4"})
    assert fitted.decoder.reads == (RegisterRead(3, 3, 1),)
    assert set(fitted.read(0, [1, 1, 1, 1])) == {"relay_4"}
    with pytest.raises(ValueError, match="profile test/device does not give co2"):
        Bench(rows, only={"co2"})


def test_a_refused_read_is_split_at_its_gaps_then_in_halves() -> None:
    decoder = Bench(spread(0, 1, 4, 5, 6)).decoder
    (read,) = decoder.reads
    gapless = decoder.split(read)
    assert gapless == (RegisterRead(3, 0, 2), RegisterRead(3, 4, 3))
    assert decoder.split(gapless[1]) == (RegisterRead(3, 4, 1), RegisterRead(3, 5, 2))
    assert decoder.split(RegisterRead(3, 4, 1)) == ()
    many = Bench(spread(0, 1, 2, 3, 4, 5, 6, 7)).decoder
    assert many.split(many.reads[0]) == (RegisterRead(3, 0, 4), RegisterRead(3, 4, 4))
    assert Bench(row("power", 0, "uint32", unit='"W"')).decoder.split(RegisterRead(3, 0, 2)) == ()


fields = st.lists(
    st.tuples(st.integers(0, 60), st.sampled_from(["uint16", "uint32", "float64"])),
    min_size=1,
    max_size=8,
    unique_by=lambda field: field[0],
)


@given(fields, st.integers(4, 125), st.integers(0, 20))
def test_reads_and_their_pieces_cover_every_row(
    where: list[tuple[int, str]], registers_max: int, gap_max: int
) -> None:
    rows = "".join(
        row(f"relay_{at + 1}", address, kind, unit='"1"') for at, (address, kind) in enumerate(where)
    )
    decoder = Bench(f"registers_max = {registers_max}\ngap_max = {gap_max}\n" + rows).decoder
    left = list(decoder.reads)
    atoms: list[RegisterRead] = []
    while left:
        read = left.pop()
        assert read.count <= registers_max
        pieces = decoder.split(read)
        assert all(piece.count < read.count for piece in pieces)
        if pieces:
            left += pieces
        else:
            atoms.append(read)
    for one in decoder.rows:
        assert any(read.address <= one.address and one.end <= read.end for read in atoms)


@pytest.mark.parametrize(
    ("fc", "count", "read"),
    [
        (3, 2, RegisterRead(3, 0, 2)),  # a read of the profile's own
        (4, 3, RegisterRead(4, 7, 3)),
        (4, 1, RegisterRead(4, 9, 1)),  # the row named first
        (4, 2, RegisterRead(4, 7, 2)),  # begins and ends with a value
        (4, 9, RegisterRead(4, 9, 9)),  # nothing fits: from the row named first
    ],
)
def test_a_response_without_a_request_is_placed(fc: int, count: int, read: RegisterRead) -> None:
    decoder = Bench(
        row("relay_1", 0, unit='"1"')
        + row("relay_2", 1, unit='"1"')
        + row("relay_3", 9, fc=4, unit='"1"')
        + row("power", 7, "uint32", fc=4, unit='"W"')
    ).decoder
    (answer,) = parse_answers(build_reply(5, fc, tuple(range(count))).hex(), decoder)
    assert answer == (read, tuple(range(count)), True)
    with pytest.raises(FrameError, match="the profile reads nothing with FC 2"):
        parse_answers(build_reply(5, 2, (1,)).hex(), decoder)


COMMANDS = """
[[commands]]
name = "relay"
label = { zh = "继电器", en = "Relay" }
fc = 6
address = 1
values = { on = 0x0100, off = 0x0200 }
low = 0x0601
high = 0x060A

[[commands]]
name = "limit"
label = { zh = "限值", en = "Limit" }
fc = 16
address = 8
count = 2
word_order = "lo-hi"
low = 0
high = 100000

[[commands]]
name = "lamps"
label = { zh = "灯", en = "Lamps" }
fc = 15
address = 0
count = 3
low = 0
high = 7

[[commands]]
name = "buzzer"
label = { zh = "蜂鸣器", en = "Buzzer" }
fc = 5
address = 0
values = { on = 1, off = 0 }
"""


def test_commands_write_what_they_allow_and_nothing_else() -> None:
    spec = Bench(CLIMATE + COMMANDS).decoder.spec
    assert spec.command("relay").encode("on") == (0x0100,)
    assert spec.command("relay").encode(0x0605) == (0x0605,)
    assert spec.command("limit").encode(65_538) == (2, 1)
    assert spec.command("lamps").encode(5) == (1, 0, 1)
    assert spec.command("buzzer").encode("on") == (1,)
    for name, value in (
        ("relay", 0x0600),
        ("relay", 0x060B),
        ("relay", "toggle"),
        ("relay", True),
        ("limit", 100_001),
        ("limit", -1),
        ("buzzer", 2),
        ("buzzer", True),
    ):
        with pytest.raises(ValueError, match=f"{name} does not take .*; it takes "):
            spec.command(name).encode(value)
    with pytest.raises(
        LookupError, match="no command 'horn' is declared; there are: relay, limit, lamps, buzzer"
    ):
        spec.command("horn")


def test_a_profile_of_another_transport_is_refused() -> None:
    with pytest.raises(WrongTransportError, match="profile tasmota/energy is no device that answers Modbus"):
        bind_modbus(Catalogue().get("tasmota/energy"), device="d", place="p/r", table=SeriesTable())
