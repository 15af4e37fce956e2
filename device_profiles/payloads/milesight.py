"""Payloads of Milesight sensors: channel, type, value, the value least significant byte first.

The meaning of a channel differs by model, so each family has its table. Source of all of them: the
vendor's decoders and READMEs, https://github.com/Milesight-IoT/SensorDecoders.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from device_profiles.payloads.contract import Context, PayloadCodec
from device_profiles.payloads.tlv import (
    Entry,
    Items,
    flag,
    hexadecimal,
    number,
    numbers,
    read_tlv,
    skipped,
)
from telemetry.named import Named

Table = dict[bytes, Entry]
NO_SENSOR: Final = 0xFFFF
POLARISING: Final = 0xFFFE
"""A gas sensor that was just switched on says so instead of a concentration."""


def _version(name: str, size: int) -> Entry:
    def read(data: bytes) -> Items:
        yield name, Named(".".join(str(byte) for byte in data))

    return Entry(size, read)


def _hardware(data: bytes) -> Items:
    yield "hardware_version", Named(f"{data[0]}.{data[1] >> 4}")


def _history(size: int) -> Entry:
    """A record of the past, sent again on demand: with its own time, and no reading of now."""
    return skipped(size, "history_record")


_ABOUT: Final[Table] = {
    bytes.fromhex("ff01"): number("protocol_version", 1),
    bytes.fromhex("ff08"): hexadecimal("serial_number", 6),
    bytes.fromhex("ff09"): Entry(2, _hardware),
    bytes.fromhex("ff0a"): _version("firmware_version", 2),
    bytes.fromhex("ff1f"): _version("firmware_version", 4),
    bytes.fromhex("ff0b"): skipped(1, ""),
    bytes.fromhex("ff0f"): number("lorawan_class", 1),
    bytes.fromhex("ff16"): hexadecimal("serial_number", 8),
    bytes.fromhex("fffe"): skipped(1, ""),
    bytes.fromhex("ffff"): _version("tsl_version", 2),
    bytes.fromhex("0175"): number("battery", 1, unit="%"),
}
"""The same in all of them: what a device says of itself after joining, and its battery."""
_TEMPERATURE: Final = number("temperature", 2, divisor=10, unit="Cel", signed=True)
_HUMIDITY: Final = number("relative_humidity", 1, divisor=2, unit="%")
_CLIMATE: Final[Table] = {bytes.fromhex("0367"): _TEMPERATURE, bytes.fromhex("0468"): _HUMIDITY}
_CO2: Final = number("co2", 2, unit="ppm")
_PRESSURE: Final = number("pressure", 2, divisor=10, unit="hPa")


def _pir(data: bytes) -> Items:
    known = data[0] in (0, 1)
    yield "motion", Named(bool(data[0]) if known else data[0])
    yield "pir", Named(("idle", "trigger")[data[0]] if known else data[0])


def _press(data: bytes) -> Items:
    """However it was pressed, it was pressed."""
    kind = {1: "short", 2: "long", 3: "double"}.get(data[0])
    yield "pressed", Named(data[0] if kind is None else True)
    yield "press", Named(data[0] if kind is None else kind)
    yield "button", Named(data[0])


def _voc_level(data: bytes) -> Items:
    """The maker's level of 1 to 5 in hundredths; his first decoders show the hundredths as they are."""
    hundredths = int.from_bytes(data, "little")
    yield "voc_level", Named(hundredths / 100)
    yield "tvoc", Named(hundredths)


def _temperature_change(data: bytes) -> Items:
    yield "temperature", Named(int.from_bytes(data[:2], "little", signed=True) / 10, "Cel")
    yield "temperature_change", Named(int.from_bytes(data[2:4], "little", signed=True) / 10, "K")
    yield (
        "temperature_alarm",
        Named({0: "threshold", 1: "threshold released", 2: "sudden change"}.get(data[4], data[4])),
    )


def _sound(data: bytes) -> Items:
    """Levels under their names of acoustics (LAF, LAeq, LAFmax); only A-weighted ones are sound levels."""
    frequency = {0: "Z", 1: "A", 2: "C"}.get(data[0] & 0x03, "?")
    time = {0: "I", 1: "F", 2: "S"}.get(data[0] >> 2 & 0x03, "?")
    values = [Named(int.from_bytes(data[at : at + 2], "little") / 10, "dB") for at in (1, 3, 5)]
    names = (f"L{frequency}{time}", f"L{frequency}eq", f"L{frequency}{time}max")
    yield from zip(names, values, strict=True)
    if frequency == "A":
        yield from zip(("sound_level", "sound_level_eq", "sound_level_peak"), values, strict=True)


def _current_alarm(data: bytes) -> Items:
    for at, name in enumerate(("current_max", "current_min", "current")):
        raw = int.from_bytes(data[2 * at : 2 * at + 2], "little")
        yield name, Named(None if raw == NO_SENSOR else raw / 100, "A")
    words = ("threshold", "threshold released", "over range", "over range released")
    told = [text for bit, text in enumerate(words) if data[6] >> bit & 1]
    yield "current_alarm", Named(", ".join(told) or "none")


def _temperature_alarm(data: bytes) -> Items:
    yield "temperature", Named(int.from_bytes(data[:2], "little", signed=True) / 10, "Cel")
    yield "temperature_alarm", Named({0: "threshold released", 1: "threshold"}.get(data[2], data[2]))


def _count_alarm(*names: str) -> Callable[[bytes], Items]:
    """Counts that have passed a threshold."""

    def read(data: bytes) -> Items:
        for at, name in enumerate(names):
            yield name, Named(int.from_bytes(data[2 * at : 2 * at + 2], "little"))

    return read


def _regions_taken(data: bytes) -> Items:
    yield "people_count", Named(data[0])
    yield "region_count", Named(data[1])
    mask = int.from_bytes(data[2:4], "big")
    for region in range(min(data[1], 16)):
        yield f"region_{region + 1}", Named(mask >> region & 1)


def _dwell(data: bytes) -> Items:
    yield f"region_{data[0]}_avg_dwell", Named(int.from_bytes(data[1:3], "little"), "s")
    yield f"region_{data[0]}_max_dwell", Named(int.from_bytes(data[3:5], "little"), "s")


def _gas(name: str, divisor: int) -> Entry:
    return number(name, 2, divisor=divisor, unit="ppm", missing=(POLARISING, NO_SENSOR))


def _lines() -> Table:
    """Up to four counting lines of a VS133: three channels each."""
    table: Table = {}
    for line in range(4):
        name, channel = f"line_{line + 1}", 3 * line + 3
        table[bytes((channel, 0xD2))] = number(f"{name}_total_in", 4)
        table[bytes((channel + 1, 0xD2))] = number(f"{name}_total_out", 4)
        table[bytes((channel + 2, 0xCC))] = numbers(2, f"{name}_period_in", f"{name}_period_out")
    return table


def _am300(history: int) -> Table:
    return _CLIMATE | {
        bytes.fromhex("0500"): Entry(1, _pir),
        bytes.fromhex("06cb"): number("light_level", 1),
        bytes.fromhex("077d"): _CO2,
        bytes.fromhex("087d"): Entry(2, _voc_level),
        bytes.fromhex("08e6"): number("voc_mass", 2, unit="ug/m3"),
        bytes.fromhex("0973"): _PRESSURE,
        bytes.fromhex("0a7d"): number("formaldehyde", 2, divisor=100, unit="mg/m3"),
        bytes.fromhex("0b7d"): number("pm2_5", 2, unit="ug/m3"),
        bytes.fromhex("0c7d"): number("pm10", 2, unit="ug/m3"),
        bytes.fromhex("0d7d"): number("ozone", 2, divisor=100, unit="ppm"),
        bytes.fromhex("0e01"): flag("buzzer"),
        bytes.fromhex("20ce"): _history(history),
        bytes.fromhex("21ce"): _history(history),
    }


_AM100: Final[Table] = _CLIMATE | {
    bytes.fromhex("056a"): number("motion_count", 2),
    bytes.fromhex("0665"): numbers(2, "illuminance", "infrared_and_visible", "infrared", unit="lx"),
    bytes.fromhex("077d"): _CO2,
    bytes.fromhex("087d"): number("voc", 2, unit="ppb"),
    bytes.fromhex("0973"): _PRESSURE,
}
_TABLES: Final[dict[str, Table]] = {
    "am102": _CLIMATE | {bytes.fromhex("20ce"): _history(7)},
    "am103": _CLIMATE | {bytes.fromhex("077d"): _CO2, bytes.fromhex("20ce"): _history(9)},
    "am104": _AM100,
    "am307": _am300(16),
    "am308": _am300(20),
    "am319": _am300(22),
    "em300-th": _CLIMATE | {bytes.fromhex("20ce"): _history(8)},
    "em300-mcs": _CLIMATE | {bytes.fromhex("0600"): flag("open"), bytes.fromhex("20ce"): _history(8)},
    "em300-leak": _CLIMATE
    | {
        bytes.fromhex("0500"): flag("water_leak"),
        bytes.fromhex("0600"): flag("water_leak"),
        bytes.fromhex("20ce"): _history(8),
    },
    "em500-co2": _CLIMATE
    | {
        bytes.fromhex("057d"): _CO2,
        bytes.fromhex("0673"): _PRESSURE,
        bytes.fromhex("83d7"): Entry(5, _temperature_change),
        bytes.fromhex("20ce"): _history(11),
    },
    "ws101": {bytes.fromhex("ff2e"): Entry(1, _press)},
    "vs132": {
        bytes.fromhex("03d2"): number("people_in", 4),
        bytes.fromhex("04d2"): number("people_out", 4),
        bytes.fromhex("05cc"): numbers(2, "period_in", "period_out"),
    },
    "vs340": {bytes.fromhex("0300"): flag("occupancy")},
    "vs350": {
        bytes.fromhex("0367"): _TEMPERATURE,
        bytes.fromhex("04cc"): numbers(2, "people_in", "people_out"),
        bytes.fromhex("05cc"): numbers(2, "period_in", "period_out"),
        bytes.fromhex("8367"): Entry(3, _temperature_alarm),
        bytes.fromhex("84cc"): Entry(5, _count_alarm("people_in", "people_out")),
        bytes.fromhex("85cc"): Entry(5, _count_alarm("period_in", "period_out")),
    },
    "ws203": _CLIMATE
    | {
        bytes.fromhex("0500"): flag("occupancy"),
        bytes.fromhex("8367"): Entry(3, _temperature_alarm),
        bytes.fromhex("20ce"): _history(9),
    },
    "ws202": {bytes.fromhex("0300"): Entry(1, _pir), bytes.fromhex("0400"): flag("light")},
    "ws301": {bytes.fromhex("0300"): flag("open"), bytes.fromhex("0400"): flag("tamper")},
    "ws302": {bytes.fromhex("055b"): Entry(7, _sound)},
    "ws303": {bytes.fromhex("0300"): flag("water_leak")},
    "gs301": {
        bytes.fromhex("0267"): _TEMPERATURE,
        bytes.fromhex("0368"): _HUMIDITY,
        bytes.fromhex("047d"): _gas("ammonia", 100),
        bytes.fromhex("057d"): _gas("hydrogen_sulfide", 100),
        bytes.fromhex("067d"): _gas("hydrogen_sulfide", 1000),
        bytes.fromhex("07ea"): skipped(5, ""),
        bytes.fromhex("ff7c"): skipped(43, ""),
    },
    "ct101": {
        bytes.fromhex("0397"): number("total_current", 4, divisor=100, unit="A.h"),
        bytes.fromhex("0498"): number("current", 2, divisor=100, unit="A", missing=(NO_SENSOR,)),
        bytes.fromhex("0967"): number(
            "temperature", 2, divisor=10, unit="Cel", signed=True, missing=(-3, -1)
        ),
        bytes.fromhex("8498"): Entry(7, _current_alarm),
        bytes.fromhex("8967"): Entry(3, _temperature_alarm),
    },
    "vs121": {
        bytes.fromhex("04c9"): Entry(4, _regions_taken),
        bytes.fromhex("05cc"): numbers(2, "people_in", "people_out"),
        bytes.fromhex("06cd"): number("people_count_max", 1),
        bytes.fromhex("07d5"): numbers(1, *(f"region_{region}_count" for region in range(1, 9))),
        bytes.fromhex("08d5"): numbers(1, *(f"region_{region}_count" for region in range(9, 17))),
        **{
            bytes((0x09 + at, 0xDA)): numbers(2, *(f"{one}_to_{other}" for other in "abcd"))
            for at, one in enumerate("abcd")
        },
        bytes.fromhex("0dcc"): numbers(2, "people_total_in", "people_total_out"),
        bytes.fromhex("0ee4"): Entry(5, _dwell),
        bytes.fromhex("0f85"): number("timestamp", 4, unit="unix s"),
        bytes.fromhex("10f7"): numbers(2, "line_in", "line_out"),
    },
    "vs133": _lines()
    | {
        bytes.fromhex("0fe3"): numbers(1, *(f"region_{region}_count" for region in range(1, 5))),
        bytes.fromhex("10e4"): Entry(5, _dwell),
    },
}


def _codec(table: Table) -> PayloadCodec:
    entries = _ABOUT | table

    def decode(payload: bytes, context: Context) -> Mapping[str, Named]:
        del context
        found = read_tlv(payload, entries, tag_bytes=2)
        for way in ("in", "out"):
            lines = [name for name in found if name.startswith("line_") and name.endswith(f"_total_{way}")]
            totals = [found[name].value for name in lines]
            if totals:
                found[f"people_{way}"] = Named(sum(one for one in totals if isinstance(one, int)))
        return found

    return decode


MILESIGHT: Final[dict[str, PayloadCodec]] = {
    f"milesight-{name}": _codec(table) for name, table in _TABLES.items()
}
