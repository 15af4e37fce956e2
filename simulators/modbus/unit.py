"""One simulated unit: the registers that a profile describes, filled with the truth."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from pymodbus.constants import ExcCodes

from device_profiles.modbus_schema import STRUCT_CODES, ModbusProfile, RegisterRow, raw_range
from device_profiles.units import SAME, Linear, conversion
from simulators.modbus.faults import Faults

Truth = Callable[[str], float]
"""From a quantity to its true value now, in the unit of the quantity."""

COILS: Final = "coils"
DISCRETE_INPUTS: Final = "discrete inputs"
HOLDING_REGISTERS: Final = "holding registers"
INPUT_REGISTERS: Final = "input registers"
_TABLES: Final = {
    **dict.fromkeys((1, 5, 15), COILS),
    2: DISCRETE_INPUTS,
    **dict.fromkeys((3, 6, 16, 22, 23), HOLDING_REGISTERS),
    4: INPUT_REGISTERS,
}


class SimulatedUnit:
    """A device with a unit number. `faults` says what it does wrong, `asked` counts requests by
    function, first address and number; `written` holds what was written to it.

    holes: registers between those of the profile do not exist, as in some devices, instead of being
    zero. registers_max: a longer read is refused.
    """

    def __init__(
        self,
        unit: int,
        profile: ModbusProfile,
        truth: Truth,
        *,
        holes: bool = False,
        registers_max: int | None = None,
    ) -> None:
        self.unit = unit
        self.profile = profile
        self.faults = Faults()
        self.asked: Counter[tuple[int, int, int]] = Counter()
        self.written: dict[tuple[str, int], int] = {}
        self.busy_until_s = 0.0
        """When its last answer so far goes out, in the time of its event loop."""
        self._truth = truth
        self._registers_max = registers_max or profile.registers_max
        self.stubborn: set[tuple[str, int]] = set()
        """Registers and coils that keep what they hold, and do not say so."""
        self._exists = {table: _addresses(profile, table, holes=holes) for table in set(_TABLES.values())}

    def read(self, fc: int, address: int, count: int) -> list[int] | ExcCodes:
        """Registers, or bits as 0 and 1; or the exception that the unit answers with."""
        self.asked[fc, address, count] += 1
        if self.faults.exception is not None:
            return ExcCodes(self.faults.exception)
        table = _TABLES[fc]
        wanted = range(address, address + count)
        if table in {HOLDING_REGISTERS, INPUT_REGISTERS} and count > self._registers_max:
            return ExcCodes.ILLEGAL_VALUE
        if not self._exists[table].issuperset(wanted):
            return ExcCodes.ILLEGAL_ADDRESS
        memory: dict[int, int] = {}
        for row in self.profile.fields:
            if _TABLES[row.fc] == table and row.address < address + count and row.end > address:
                self._fill(row, memory)
        memory.update({at: value for (where, at), value in self.written.items() if where == table})
        return [memory.get(at, 0) for at in wanted]

    def write(self, fc: int, address: int, values: Sequence[int]) -> ExcCodes | None:
        """Keeps what was written; from then on it is what is read."""
        self.asked[fc, address, len(values)] += 1
        if self.faults.exception is not None:
            return ExcCodes(self.faults.exception)
        table = _TABLES[fc]
        if not self._exists[table].issuperset(range(address, address + len(values))):
            return ExcCodes.ILLEGAL_ADDRESS
        wanted = {(table, address + at): int(value) for at, value in enumerate(values)}
        self.written.update({where: value for where, value in wanted.items() if where not in self.stubborn})
        return None

    def _fill(self, row: RegisterRow, memory: dict[int, int]) -> None:
        raw = raw_of(row, self._truth(row.quantity))
        if row.bit is not None:
            memory[row.address] = memory.get(row.address, 0) | int(raw) << row.bit
        elif row.type == "bit":
            memory[row.address] = int(raw)
        else:
            for at, word in enumerate(words_of(row, raw, self.profile)):
                memory[row.address + at] = word


class Units(Mapping[int, SimulatedUnit]):
    """The units of a bus, as pymodbus' server wants its data store."""

    def __init__(self, units: Iterable[SimulatedUnit]) -> None:
        self._units = {unit.unit: unit for unit in units}

    def __getitem__(self, unit: int) -> SimulatedUnit:
        return self._units[unit]

    def __iter__(self) -> Iterator[int]:
        return iter(self._units)

    def __len__(self) -> int:
        return len(self._units)

    def device_ids(self) -> list[int]:
        return list(self._units)

    async def async_getValues(  # noqa: N802  # pymodbus' name
        self, device_id: int, func_code: int, address: int, count: int = 1
    ) -> list[int] | ExcCodes:
        return self._units[device_id].read(func_code, address, count)

    async def async_setValues(  # noqa: N802  # pymodbus' name
        self, device_id: int, func_code: int, address: int, values: Sequence[int]
    ) -> ExcCodes | None:
        return self._units[device_id].write(func_code, address, values)


def raw_of(row: RegisterRow, value: float) -> float:
    """The raw number a device holds for a value in the quantity's unit; the nearest it can hold."""
    if row.map is not None:
        return min((int(raw, 0) for raw in row.map), key=lambda raw: abs(row.map[_key(row, raw)] - value))  # type: ignore[index]  # not None, as asked above
    if row.spec.is_bool:
        return float(bool(value) != row.invert)
    known = SAME if row.unit is None else conversion(row.unit, row.spec)
    assert known is not None, "the schema has checked every unit"
    linear = known.after(Linear(row.scale, row.offset))
    raw = (value - linear.offset) / linear.scale
    if row.type.startswith("float"):
        return raw
    low, high = raw_range(row.type)
    return min(max(round(raw), low), high)


def words_of(row: RegisterRow, raw: float, profile: ModbusProfile) -> tuple[int, ...]:
    """The registers of a raw number, in the profile's word and byte order."""
    code = STRUCT_CODES[row.type]
    data = struct.pack(f">{code}", raw if code in "fd" else int(raw))
    little = (row.byte_order or profile.byte_order) == "little"
    words = struct.unpack(f"{'<' if little else '>'}{len(data) // 2}H", data)
    backwards = (row.word_order or profile.word_order) == "lo-hi" and row.words > 1
    return words[::-1] if backwards else words


def _key(row: RegisterRow, raw: int) -> str:
    return next(text for text in row.map or () if int(text, 0) == raw)


def _addresses(profile: ModbusProfile, table: str, *, holes: bool) -> set[int]:
    spans = [(row.address, row.end) for row in profile.fields if _TABLES[row.fc] == table]
    spans += [
        (command.address, command.address + command.count)
        for command in profile.commands
        if _TABLES[command.fc] == table
    ]
    if spans and not holes:
        spans = [(min(first for first, _ in spans), max(end for _, end in spans))]
    return {at for first, end in spans for at in range(first, end)}
