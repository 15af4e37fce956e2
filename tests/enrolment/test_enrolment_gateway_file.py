"""What an enrolment leaves of a gateway.toml that somebody has written."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.enrolment.enrol import _placeholder
from edge_agent.enrolment.gateway_file import GatewayFile, _put_in
from edge_agent.enrolment.keyset import KeySets, require_owner
from foundation.commands import UsageError
from foundation.tomllines import headers

OURS = ("gateway", "collector")
TABLES = '[gateway]\nid = "new"\n\n[collector]\nnew = true\n'

lines = st.sampled_from(
    [
        "",
        "# a comment",
        "   # [gateway] in a comment",
        "a = 1",
        'b = "[collector]"',
        "c = [\n  1, # [gateway]\n]",
        'd = """\n[gateway]\nid = "no"\n"""',
        "e = { gateway = 1 }",
    ]
)
OURS_AS_HEADERS = ["[gateway]", "[collector]", "[collector.mqtt]", "[ collector . https ]", '["gateway".x]']
OTHERS = ["[log]", "[buffer]  # kept", "[[report]]", "[[mqtt]]", "[[mqtt.devices]]", '["a.gateway"]']
names = st.sampled_from([*OURS_AS_HEADERS, *OTHERS, "[personal]"])
blocks = st.builds(
    lambda name, body: "\n".join([name, *dict.fromkeys(body)]), names, st.lists(lines, max_size=4)
)
texts = st.builds(
    lambda top, some, end: "\n".join([*dict.fromkeys(top), *some]) + end,
    st.lists(lines, max_size=3),
    st.lists(blocks, max_size=6),
    st.sampled_from(["", "\n", "\n\n"]),
)


@given(texts)
def test_everything_else_stays_as_it_stands(text: str) -> None:
    try:
        before = tomllib.loads(text)
    except ValueError:
        return
    after = _put_in(text, TABLES, Path("gateway.toml"))
    found = tomllib.loads(after)
    assert found["gateway"] == {"id": "new"}
    assert found["collector"] == {"new": True}
    rest = {name: value for name, value in before.items() if name not in OURS}
    assert {name: value for name, value in found.items() if name not in OURS} == rest
    assert _put_in(after, TABLES, Path("gateway.toml")) == after
    kept = [line for line in text.splitlines() if line.startswith("[") and "mqtt" not in line]
    assert all(line in after for line in kept if not any(one in line for one in OURS))


def test_headers_are_found_where_they_are() -> None:
    text = 'a = 1\n[b]\nc = """\n[no]\n"""\n  [[d."e.f"]] # [no]\ng = [\n[1],\n]\n[h.i]\n'
    assert headers(text) == [(2, ("b",)), (6, ("d", "e.f")), (10, ("h", "i"))]


def test_a_new_file_says_where_devices_go(tmp_path: Path) -> None:
    file = GatewayFile(tmp_path)
    sets = KeySets(tmp_path / "keys" / "1")
    text = file.text(_placeholder("G3c3uUo8wJpQkqVqYl0M0xU1n7y0p2m7hJ8q1rJm9T8="), sets)
    assert "采集端下发" in text
    assert "[[mqtt]]" in text
    assert set(tomllib.loads(text)) == {"gateway", "collector", "personal"}


def test_root_makes_no_keys_in_the_folder_of_another_user(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        os.chown(tmp_path, 1_000, 1_000)
    owner = tmp_path.stat().st_uid
    with pytest.raises(UsageError, match=f"belongs to user {owner}"):
        require_owner(tmp_path, user=0)
    require_owner(tmp_path, user=owner)
    require_owner(tmp_path / "not there yet", user=0)


def test_devices_that_are_commented_out_stay_however_often_it_is_enrolled() -> None:
    later = '\n# for later\n# [[mqtt]]\n# name = "yard"\n'
    path = Path("gateway.toml")
    for text in (
        f'[gateway]\nid = "old"\n[collector]\npublic_key = "x"\n{later}',
        f'[gateway]\nid = "old"\n{later}\n[collector]\npublic_key = "x"\n[[mqtt]]\nname = "hall"\n',
        f'[gateway]\nid = "old"\n[collector.https]\nurl = "x"\n{later}\n[log]\nlevel = "info"\n',
    ):
        once = _put_in(text, TABLES, path)
        assert later in once
        assert _put_in(once, TABLES, path) == once
