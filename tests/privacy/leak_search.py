"""Looks for everybody of a roster, in every form, in whatever left the gateways or came to rest.

GNU grep does the looking: hundreds of thousands of patterns at once. A leak is reported by the number of
the pupil and the name of the form, never by the value.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from simulators.roster import Entry
from tests.privacy.forms import Beside, Form, forms_of
from tests.privacy.unpacking import Source, unpacked

PACKED_BYTES_MIN: Final = 6
"""Raw forms of fewer bytes occur by accident in megabytes that look like chance: a tag's five once in a
hundred weeks. There they do not count; what can be unpacked is searched for them once it is.
"""
_NEW_LINE: Final = bytes.maketrans(b"\n", b"\x0b")
"""A pattern cannot hold the end of a line, raw bytes can: both texts lose it alike."""
_LETTERS_AND_DIGITS: Final = frozenset(b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_DIGITS: Final = frozenset(b"0123456789")
_GAP: Final = b"\x0c" * 64


class Leak(NamedTuple):
    """Somebody was found. source: where. pupil: number in the roster. form: how it was written."""

    source: str
    pupil: int
    form: str


class _Known(NamedTuple):
    pupil: int
    form: Form


class LeakSearch:
    """Made once for a roster; `find` may be called for as many sources as there are."""

    def __init__(self, entries: Sequence[Entry], folder: Path) -> None:
        """folder: for the lists of patterns, which hold everybody's data: a test's own."""
        self._known: dict[bool, dict[bytes, _Known]] = {True: {}, False: {}}
        for entry in entries:
            for form in forms_of(entry):
                key = form.data.translate(_NEW_LINE)
                known = self._known[form.any_case]
                known.setdefault(key.lower() if form.any_case else key, _Known(entry.pupil.number, form))
        self._files = {True: folder / "patterns-text", False: folder / "patterns-exact"}
        for any_case, file in self._files.items():
            file.write_bytes(b"\n".join(self._known[any_case]) + b"\n")

    def __repr__(self) -> str:
        return f"LeakSearch({self.patterns} patterns)"

    @property
    def patterns(self) -> int:
        return sum(map(len, self._known.values()))

    def find(self, sources: Iterable[Source]) -> list[Leak]:
        """Searches sources, and what is packed in them. Each leak once."""
        pieces = [piece for source in sources for piece in unpacked(source)]
        return list(
            dict.fromkeys(
                leak for any_case in (True, False) for leak in self._grep(pieces, any_case=any_case)
            )
        )

    def _grep(self, pieces: Sequence[Source], *, any_case: bool) -> Iterator[Leak]:
        """One run of grep over all pieces, one after the other."""
        text = b"".join(_GAP + piece.data for piece in pieces).translate(_NEW_LINE)
        options = ["-F", "-a", "-o", "-b", *(["-i"] if any_case else []), "-f", str(self._files[any_case])]
        done = subprocess.run(
            ["grep", *options], input=text, capture_output=True, check=False, env={"LC_ALL": "C"}
        )
        assert done.returncode in {0, 1}, done.stderr.decode("utf-8", "replace")
        starts, at = [], 0
        for piece in pieces:
            starts.append(at)
            at += len(_GAP) + len(piece.data)
        which = 0
        for line in done.stdout.split(b"\n")[:-1]:
            offset, _, found = line.partition(b":")
            start = int(offset)
            while which + 1 < len(starts) and starts[which + 1] <= start:
                which += 1
            pupil, form = self._known[any_case][found.lower() if any_case else found]
            is_chance = pieces[which].like_chance and not any_case and len(found) < PACKED_BYTES_MIN
            if not is_chance and _counts(form, text, start, start + len(found)):
                yield Leak(pieces[which].name, pupil, form.name)


def _counts(form: Form, text: bytes, start: int, end: int) -> bool:
    """Whether what stands beside a form lets it be one."""
    before, after = text[start - 1], text[end] if end < len(text) else 0
    if form.beside is Beside.NO_LETTER_OR_DIGIT:
        return not {before, after} & _LETTERS_AND_DIGITS
    if form.beside is Beside.NO_DIGIT_OR_COMMA:
        return not {before, after} & (_DIGITS | set(b","))
    if form.beside is Beside.PHONE:
        if text[start - 2 : start] == b"86":
            before = text[start - 3]
        return not {before, after} & _DIGITS
    # A point before it makes it the digits of a fraction.
    return form.beside is Beside.ANYTHING or not (({before, after} & _DIGITS) or before == ord("."))
