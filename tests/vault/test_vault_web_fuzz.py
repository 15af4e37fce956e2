"""Rubbish for every endpoint: an error in words, never a fault."""

from __future__ import annotations

import contextlib
import json

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.vault.web_parts import PATHS, Site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(tmp_path_factory.mktemp("site"))


_texts = st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=20)
_bodies = st.one_of(
    st.binary(max_size=200),
    st.dictionaries(
        st.sampled_from(["pseudonyms", "purpose", "reason", "minutes", "token"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
            lambda inner: (
                st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
            ),
            max_leaves=6,
        ),
    ).map(lambda made: json.dumps(made).encode()),
    st.binary(max_size=100).map(lambda rest: b"CP\x01\x04" + rest),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "OPTIONS", "HEAD", "TRACE"]),
    path=st.sampled_from(PATHS) | _texts.map(lambda text: "/g/open/" + text) | _texts.map("/".__add__),
    headers=st.dictionaries(
        st.sampled_from(
            ["Authorization", "Content-Type", "Content-Length", "Origin", "Cookie", "Accept-Language"]
        ),
        _texts,
        max_size=3,
    ),
    body=_bodies,
    signed=st.booleans(),
)
async def test_rubbish_is_never_a_fault(
    site: Site, method: str, path: str, headers: dict[str, str], body: bytes, *, signed: bool
) -> None:
    wanted = headers | (site.bearer() if signed else {})
    sent = {name.encode(): value.encode("latin-1") for name, value in wanted.items()}
    async with site.client() as client:
        with contextlib.suppress(httpx.InvalidURL):
            answer = await client.request(method, path, headers=sent, content=body)
            assert answer.status_code < 500, answer.text
