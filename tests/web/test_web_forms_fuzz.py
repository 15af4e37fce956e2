"""Whatever a form holds, nothing breaks: an answer in words, never a fault."""

from __future__ import annotations

import asyncio
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.web.conftest import School
from tests.web.signing_parts import browser, with_accounts

FORMS = {
    "/sign-in": ("username", "password", "next"),
    "/sign-in/code": ("code", "next"),
    "/sign-in/password": ("old", "new", "again", "next"),
    "/sign-in/second-factor": ("code", "next", "password"),
    "/account/password": ("old", "new", "again"),
    "/account/second-factor/remove": ("password",),
    "/account/tokens": ("name", "scope", "days", "password"),
    "/accounts": ("username", "display_name", "role", "schools", "classes"),
    "/accounts/admin-1/change": ("display_name", "role", "schools", "classes"),
    "/accounts/admin-1/link": ("subject",),
}
PATHS = ("/accounts/{}", "/accounts/{}/disable", "/accounts/{}/password", "/account/tokens/{}/revoke", "/audit?before={}",
         "/sign-in?next={}", "/sign-in/oidc/back?state={}&code=x", "/account?done={}&lang={}")  # fmt: skip
LETTERS = st.text(st.characters(codec=None), max_size=40).map(
    lambda text: text.encode("utf-8", "surrogatepass")
)
BYTES = LETTERS | st.binary(max_size=40) | st.sampled_from([b"", b"\0", b"-1", b"9" * 40, b"series.read"])


@pytest.mark.parametrize("signed_in", [False, True])
async def test_no_form_and_no_address_breaks_anything(school: School, signed_in: bool) -> None:  # noqa: FBT001
    bench = with_accounts(school)
    loop = asyncio.get_running_loop()
    async with browser(school) as client:
        secret = (await bench.add_with_totp("admin-1"))[0]

        async def send(path: str, body: bytes | None) -> httpx.Response:
            client.cookies.clear()
            if signed_in:
                client.cookies.set("session", secret)
            if body is None:
                return await client.get(path)
            return await client.post(
                path, content=body, headers={"Content-Type": "application/x-www-form-urlencoded"}
            )

        def ask(path: str, body: bytes | None = None) -> httpx.Response:
            return asyncio.run_coroutine_threadsafe(send(path, body), loop).result(30)

        @given(path=st.sampled_from(sorted(FORMS)), values=st.lists(BYTES, min_size=5, max_size=5))
        @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
        def forms(path: str, values: list[bytes]) -> None:
            body = b"&".join(
                name.encode() + b"=" + quote(value).encode()
                for name, value in zip(FORMS[path], values, strict=False)
            )
            assert ask(path, body).status_code < 500

        @given(path=st.sampled_from(PATHS), value=BYTES)
        @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
        def addresses(path: str, value: bytes) -> None:
            for body in (None, b""):
                assert ask(path.replace("{}", quote(value, safe="")), body).status_code < 500

        await asyncio.to_thread(forms)
        await asyncio.to_thread(addresses)
