"""Differences for people, and texts as they are read and written: rules by hypothesis."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.fleet import difference as difference_module
from collector.fleet.difference import LINES_MATCHED_MAX, compare
from collector.fleet.reading import (
    TextProblem,
    TextProblemsError,
    as_document,
    as_toml,
    read_json,
    read_toml,
    section_toml,
)
from telemetry.configuration import difference, digest, split

relaxed = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_VALUE = (
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _TEXT
    | st.lists(st.integers(0, 9), max_size=3)
)
_TABLE = st.dictionaries(st.sampled_from(["interval_s", "port", "place", "门"]) | _TEXT, _VALUE, max_size=4)
_DEVICES = st.lists(_TABLE, max_size=3)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    found: dict[str, Any] = draw(st.dictionaries(st.sampled_from(["batch", "buffer", "silence"]), _TABLE))
    for table in draw(st.sets(st.sampled_from(["modbus", "mqtt", "serial"]))):
        names = draw(st.lists(st.sampled_from(["hall", "3f", "gym"]), min_size=1, unique=True))
        found[table] = [draw(_TABLE) | {"name": name, "devices": draw(_DEVICES)} for name in names]
    return found


@relaxed
@given(documents())
def test_what_is_shown_reads_as_what_was_handed_in(document: dict[str, Any]) -> None:
    sections = split(document)
    assert read_toml(as_toml(sections).encode()) == sections
    assert read_json(json.dumps(as_document(sections)).encode()) == sections
    assert digest(read_toml(as_toml(sections).replace("\n", "\r\n").encode())) == digest(sections)


@relaxed
@given(documents(), documents())
def test_a_difference_leads_from_one_to_the_other(one: dict[str, Any], other: dict[str, Any]) -> None:
    before, after = split(one), split(other)
    changed, removed = difference(before, after)
    found = compare(before, after, context_lines=10_000)
    assert [part.name for part in found] == sorted([*changed, *removed])
    for part in found:
        old, new = (side.get(part.name) for side in (before, after))
        kept_or_gone = [line.text for line in part.lines if line.sign in " -"]
        kept_or_new = [line.text for line in part.lines if line.sign in " +"]
        assert kept_or_gone == ([] if old is None else section_toml(part.name, old).splitlines())
        assert kept_or_new == ([] if new is None else section_toml(part.name, new).splitlines())
        assert part.change == ("added" if old is None else "removed" if new is None else "changed")


@relaxed
@given(documents())
def test_nothing_differs_from_itself(document: dict[str, Any]) -> None:
    assert compare(split(document), split(document)) == []


def test_only_what_is_near_a_change_is_shown() -> None:
    devices = [{"id": f"air-{at}", "interval_s": 10} for at in range(300, 340)]
    before = split({"modbus": [{"name": "hall", "devices": devices}]})
    devices[20]["interval_s"] = 30
    after = split({"modbus": [{"name": "hall", "devices": devices}]})
    (part,) = compare(before, after)
    assert [line.sign for line in part.lines] == ["…", " ", " ", " ", "-", "+", " ", " ", " ", "…"]
    assert [line.text for line in part.lines if line.sign in "-+"] == ["interval_s = 10", "interval_s = 30"]


def test_a_very_long_section_is_not_matched() -> None:
    rows = {f"key-{at}": at for at in range(LINES_MATCHED_MAX)}
    (part,) = compare(split({"silence": rows}), split({"silence": rows | {"more": 1}}))
    assert {line.sign for line in part.lines} == {"-", "+"}
    assert difference_module.CONTEXT_LINES < LINES_MATCHED_MAX


@relaxed
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))
def test_whatever_comes_is_a_configuration_or_told_why_not(data: bytes) -> None:
    for read in (read_toml, read_json):
        found: dict[str, str] | tuple[TextProblem, ...]
        try:
            found = read(data)
        except TextProblemsError as error:
            found = error.problems
        if isinstance(found, tuple):
            assert found
            assert all(problem.words.zh and problem.words.en for problem in found)
        else:
            assert read_toml(as_toml(found).encode()) == found


@pytest.mark.parametrize(
    "text", ["a." * 50_000 + "a = 1", "[" + "a." * 50_000 + "a]", "[[" + "a." * 50_000 + "a]]"]
)
def test_a_name_of_many_parts_is_refused_before_it_is_read(text: str) -> None:
    with pytest.raises(TextProblemsError, match="line 2: is nested deeper than 16 levels"):
        read_toml(f"# a comment\n{text}\n".encode())
    read_toml(b'[[mqtt]]\nname = "a"\nbroker = { host = "a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r.s.t" }\n')
