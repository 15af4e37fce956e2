"""Which reads a Modbus profile needs: neighbours joined, within what a device answers at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from device_profiles.modbus_schema import BITS_PER_REGISTER, RegisterRow

BITS_MAX = 2_000
"""Of one read (FC 1, 2), Modbus application protocol V1.1b3."""


@dataclass(frozen=True, slots=True)
class RegisterRead:
    """One request: function code 1 to 4, first address from 0, and how many registers or bits."""

    fc: int
    address: int
    count: int

    @property
    def end(self) -> int:
        """The address after the last one."""
        return self.address + self.count

    def __str__(self) -> str:
        return f"{self.fc}@{self.address}+{self.count}"


def plan_reads(rows: Iterable[RegisterRow], *, registers_max: int, gap_max: int) -> tuple[RegisterRead, ...]:
    """The fewest reads that cover every row, in rising order.

    Two rows share a read when at most `gap_max` unused registers lie between them and the read
    stays within `registers_max`.
    """
    reads: list[RegisterRead] = []
    for row in sorted(rows, key=lambda row: (row.fc, row.address, row.end)):
        if reads:
            last = reads[-1]
            end = max(last.end, row.end)
            fits = end - last.address <= _most(row.fc, registers_max)
            if last.fc == row.fc and row.address - last.end <= gap_max and fits:
                reads[-1] = RegisterRead(last.fc, last.address, end - last.address)
                continue
        reads.append(RegisterRead(row.fc, row.address, row.words))
    return tuple(reads)


def _most(fc: int, registers_max: int) -> int:
    return registers_max if fc > 2 else min(BITS_MAX, registers_max * BITS_PER_REGISTER)


def split_read(read: RegisterRead, rows: Iterable[RegisterRow]) -> tuple[RegisterRead, ...]:
    """Smaller reads of the rows within `read`: first without its gaps, then in halves between
    rows. Empty when it cannot be made smaller.
    """
    inside = [row for row in rows if covers(read, row)]
    runs = plan_reads(inside, registers_max=read.count, gap_max=0)
    if len(runs) != 1 or runs[0] != read:
        return runs
    borders = [
        row.address
        for row in inside
        if row.address > read.address and not any(one.address < row.address < one.end for one in inside)
    ]
    if not borders:
        return ()
    middle = read.address + read.count / 2
    cut = min(borders, key=lambda border: abs(border - middle))
    return (
        RegisterRead(read.fc, read.address, cut - read.address),
        RegisterRead(read.fc, cut, read.end - cut),
    )


def covers(read: RegisterRead, row: RegisterRow) -> bool:
    """Whether a row lies wholly within a read."""
    return row.fc == read.fc and read.address <= row.address and row.end <= read.end
