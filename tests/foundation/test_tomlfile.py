"""Errors of configuration files: file, line, field, and what was expected."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from foundation.tomlfile import FILE_BYTES_MAX, FileProblems, StrictModel, load, parse
from foundation.tomllines import LineIndex


class Mqtt(StrictModel):
    kind: Literal["mqtt"]
    port: int = Field(ge=1)


class Serial(StrictModel):
    kind: Literal["serial"]
    path: str


class Server(StrictModel):
    host: str
    ports: tuple[int, ...] = ()
    limits: dict[str, float] = Field(default_factory=dict)
    nested: tuple[tuple[int, ...], ...] = ()


class Config(StrictModel):
    name: str = "x"
    server: Server = Server(host="x")
    driver: tuple[Annotated[Mqtt | Serial, Field(discriminator="kind")], ...] = ()
    either: int | Literal["auto"] = "auto"


def problems(text: str) -> list[str]:
    with pytest.raises(FileProblems) as caught:
        parse(text.encode(), Config, "gateway.toml")
    assert str(caught.value) == "\n".join(map(str, caught.value.problems))
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name = 1", "gateway.toml:1: name must be a valid string (found 1)"),
        ("\n# c\nnmae = 'x'", "gateway.toml:3: nmae is not a setting; check its spelling"),
        ("[server]\nports = []\n[[driver]]\nkind='serial'\npath='p'", "gateway.toml:1: server.host is missing"),
        ("server.host = 'h'\nserver.ports = [1, 'x']", "gateway.toml:2: server.ports[2] must be"),
        ("server = { host = 'h', port = 1 }", "gateway.toml:1: server.port is not a setting"),
        ("[server]\nhost = 'h'\nports = [\n 1, # [9]\n\n 'x',\n]", "gateway.toml:6: server.ports[2] must be"),
        ("[server]\nhost = 'h'\nnested = [\n[1],\n[2,\n'x']]", "gateway.toml:5: server.nested[2][2] must be"),
        ("[server]\nhost = 'h'\n[server.limits]\na = 1\n\"b.c\" = 'x'", "gateway.toml:5: server.limits.b.c must be"),
        (
            "[[driver]]\nkind = 'mqtt'\nport = 5\n\n[[driver]]\nkind = 'mqtt'\nport = 0",
            "gateway.toml:7: driver[2].port must be greater than or equal to 1 (found 0)",
        ),
        ("[[driver]]\nkind = 'mqtt'\nport = 5\n[[driver]]\nkind = 'mqtt'", "gateway.toml:4: driver[2].port is missing"),
        ("name = 'n'\n[[driver]]\nport = 5", "gateway.toml:2: driver[1] Unable"),
        ("driver = [\n {kind='mqtt', port=1},\n {kind='mqtt', port='x'},\n]", "gateway.toml:3: driver[2].port must be"),
        ("[[driver]]\nkind = 'serial'\npath = '''\n[[driver]]\nport = 1\n'''\nprot = 2", "gateway.toml:7: driver[1].prot"),
        ('name = """\n[server]\nhost = 5"""\n[server]\nhost = 5', "gateway.toml:5: server.host"),
        ("name = 'a\u2028b' # \u2028\nnmae = 1", "gateway.toml:2: nmae"),
        ("\ufeffname = 1", "gateway.toml:1: name"),
        ("name = 'n'\r\n\r\nserver.host = 1\r\n", "gateway.toml:3: server.host"),
        ("[server] # see [driver]\nhost = 5 # host = 'x'", "gateway.toml:2: server.host"),
        ("[ server . 'limits' ]\na = 'x'\n[server]", "gateway.toml:2: server.limits.a"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named(text: str, expected: str) -> None:
    assert [one for one in problems(text) if one.startswith(expected)], problems(text)


def test_all_problems_are_told() -> None:
    found = problems("nmae = 1\neither = []\n[server]\nhost = 1\nports = 'x'\nprots = 1\n")
    lines = sorted({int(one.split(":")[1]) for one in found})
    assert lines == [1, 2, 4, 5, 6]


def test_a_long_value_is_cut() -> None:
    (found,) = problems(f"name = {'9' * 1_000}")
    assert len(found) < 200


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"a = 1\nb = \xff", "f.toml:2: is not UTF-8"),
        (b"a = 1\nb = \nc = 2", "f.toml:2: is not TOML"),
        (b"a = 1\na = 2", "f.toml:2: is not TOML: Cannot overwrite a value"),
        (b"a = [1,\n2", "f.toml:2: is not TOML"),
        (b"a = " + b"[" * 5_000 + b"]" * 5_000, "f.toml: is nested too deeply"),
        (b"a = " + b"9" * 5_000, "is not TOML"),
        (b"\0", "f.toml:1: is not TOML"),
        (b"#" * (FILE_BYTES_MAX + 1), f"f.toml: is larger than {FILE_BYTES_MAX} bytes"),
    ],
    ids=range(8),
)
def test_what_is_no_toml(data: bytes, expected: str) -> None:
    with pytest.raises(FileProblems) as caught:
        parse(data, Config, "f.toml")
    assert expected in str(caught.value)
    assert len(str(caught.value)) < 300


def test_a_file_without_an_end_is_not_read_whole(tmp_path: Path) -> None:
    endless = tmp_path / "gateway.toml"
    with endless.open("wb") as file:
        file.truncate(1 << 42)  # a hole: takes no room on the disk, and more memory than there is
    with pytest.raises(FileProblems, match=f"is larger than {FILE_BYTES_MAX} bytes"):
        load(endless, Config)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.toml", tmp_path, tmp_path / "missing" / "x.toml"):
        with pytest.raises(FileProblems, match="cannot be read") as caught:
            load(path, Config)
        assert str(path) in str(caught.value)
    closed = tmp_path / "closed.toml"
    closed.write_text("name = 'n'", "utf-8")
    closed.chmod(0)
    if os.getuid() == 0:  # root reads everything
        assert load(closed, Config).name == "n"
    else:
        with pytest.raises(FileProblems, match="cannot be read"):
            load(closed, Config)


name = st.sampled_from(["a", "b", "c-1", '"d.e"', "'f g'", '"[h]"'])
scalar = st.sampled_from(
    ["1", "'x'", '"\\" # ]"', "'''\n[a]\nb = 1\n'''", '"""\na = 1 ""\n"""', "1.5", "true"]
)
value = st.recursive(
    scalar,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: "[\n # ]\n" + ",\n".join(items) + "\n]"),
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        st.dictionaries(st.sampled_from(["p", "q"]), scalar, max_size=2).map(
            lambda items: "{" + ", ".join(f"{key} = {one}" for key, one in items.items()) + "}"
        ),
    ),
    max_leaves=6,
)
dotted = st.lists(name, min_size=1, max_size=3).map(" . ".join)
statement = st.one_of(
    st.tuples(dotted, value).map(lambda pair: f"  {pair[0]} = {pair[1]} # c [x]"),
    dotted.map(lambda names: f"[{names}]"),
    dotted.map(lambda names: f"[[ {names} ]] # ]]"),
    st.sampled_from(["", "# a = 1", "# [b]"]),
)


@given(st.lists(statement, max_size=12))
def test_a_line_never_points_below_or_beside(statements: list[str]) -> None:
    """Adds statements one by one: each new setting stands on a line of the statement that made it."""
    text, known = "", dict[tuple[str | int, ...], object]()
    for one in statements:
        longer = f"{text}{one}\n"
        try:
            content = tomllib.loads(longer)
        except tomllib.TOMLDecodeError:
            continue  # a name twice
        first, last = text.count("\n") + 1, longer.count("\n")
        text = longer
        found = LineIndex(text)
        settings = dict(flat(content))
        for path in settings.keys() - known.keys():
            assert first <= found.line(path) <= last, (path, text)
        for path in known:
            assert found.line(path) < first, (path, text)
        known = settings


def flat(content: object, path: tuple[str | int, ...] = ()) -> list[tuple[tuple[str | int, ...], object]]:
    """Every location in a document."""
    children: list[tuple[str | int, object]] = []
    if isinstance(content, dict):
        children = list(content.items())
    elif isinstance(content, list):
        children = list(enumerate(content))
    rows: list[tuple[tuple[str | int, ...], object]] = [(path, content)] if path else []
    return rows + [row for key, child in children for row in flat(child, (*path, key))]


class Rack(StrictModel):
    slots: tuple[Server, ...] = Field(min_length=1)


def test_a_list_is_not_called_too_short_for_what_is_wrong_in_it() -> None:
    for text, expected in (
        ("slots = []", ["r.toml:1: slots needs at least 1 of its kind"]),
        (
            "[[slots]]\nhots = 'x'",
            ["r.toml:1: slots[1].host is missing", "r.toml:2: slots[1].hots is not a setting"],
        ),
    ):
        with pytest.raises(FileProblems) as caught:
            parse(text.encode(), Rack, "r.toml")
        assert [str(one).split(";")[0] for one in caught.value.problems] == expected
