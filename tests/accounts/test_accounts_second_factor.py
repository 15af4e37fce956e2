"""The second factor: codes of an app, recovery codes, and who needs one."""

from __future__ import annotations

import base64

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.accounts import second_factor
from collector.accounts.errors import CodeRefusedError, SessionEndedError, SignInRefusedError
from collector.records import accounts as account_rows
from tests.accounts.accounts_bench import GOOD, HERE, Bench
from tests.collector.record_databases import on_both

RFC_SECRET = b"12345678901234567890"


@pytest.mark.parametrize(
    ("time_s", "code"),
    [(59, "287082"), (1_111_111_109, "081804"), (1_234_567_890, "005924"), (20_000_000_000, "353130")],
)
def test_codes_are_those_of_rfc_6238(time_s: int, code: str) -> None:
    """Appendix B, of whose eight digits the last six are ours."""
    assert second_factor.step_of(RFC_SECRET, code, None, time_s * 1_000) == time_s // 30
    assert second_factor.step_of(RFC_SECRET, f" {code[:3]} {code[3:]} ", None, time_s * 1_000) == time_s // 30


@given(st.binary(min_size=20, max_size=20), st.integers(5, 60_000_000), st.integers(-3, 3))
def test_a_code_counts_half_a_minute_around_and_once(secret: bytes, step: int, away: int) -> None:
    now_ms = step * second_factor.STEP_MS + 12_000
    code = pyotp.TOTP(base64.b32encode(secret).decode()).generate_otp(step + away)
    around = {
        pyotp.TOTP(base64.b32encode(secret).decode()).generate_otp(one) for one in (step - 1, step, step + 1)
    }
    found = second_factor.step_of(secret, code, None, now_ms)
    assert (found is not None) == (code in around)
    if found is not None:
        assert second_factor.step_of(secret, code, step + 1, now_ms) is None


@given(st.text(max_size=40))
def test_whatever_is_typed_is_a_code_or_none(text: str) -> None:
    second_factor.step_of(RFC_SECRET, text, None, 59_000)
    second_factor.recovery_digest(text)


@on_both
async def test_an_administrator_sets_one_up_before_anything_else(bench: Bench) -> None:
    signed_in = await bench.add("wang", "admin")
    assert signed_in.step == "setup"
    session = await bench.accounts.session(signed_in.secret)
    assert session is not None
    assert not session.principal.permissions
    offer = await bench.accounts.begin_totp(signed_in.secret)
    assert offer == await bench.accounts.begin_totp(signed_in.secret), "a page is shown again"
    app = pyotp.parse_uri(offer.uri)
    assert (app.name, app.issuer) == ("wang", "Campus Pulse")
    assert app.secret == offer.text.replace(" ", "")
    with pytest.raises(CodeRefusedError):
        await bench.accounts.finish_totp(signed_in.secret, "000000", "", HERE)
    done = await bench.accounts.finish_totp(signed_in.secret, bench.code(app), "", HERE)  # type: ignore[arg-type]
    assert done.signed_in.step == "full"
    assert len(set(done.recovery_codes)) == 10
    assert await bench.accounts.session(signed_in.secret) is None
    session = await bench.accounts.session(done.signed_in.secret)
    assert session is not None
    assert session.principal.may("accounts.manage")
    with pytest.raises(SessionEndedError):
        await bench.accounts.begin_totp(done.signed_in.secret)


@on_both
async def test_a_code_works_once(bench: Bench) -> None:
    _, app = await bench.add_with_totp()
    bench.go_on(1)
    begun = await bench.accounts.sign_in("wang", GOOD, HERE)
    assert begun.step == "password"
    code = bench.code(app)
    done = await bench.accounts.confirm_code(begun.secret, code, HERE)
    assert done.step == "full"
    with pytest.raises(SessionEndedError):
        await bench.accounts.confirm_code(begun.secret, code, HERE)
    again = await bench.accounts.sign_in("wang", GOOD, HERE)
    with pytest.raises(CodeRefusedError):
        await bench.accounts.confirm_code(again.secret, code, HERE)
    bench.go_on(0.5)
    assert (await bench.accounts.confirm_code(again.secret, bench.code(app), HERE)).step == "full"


async def test_a_recovery_code_stands_in_its_place_once(bench: Bench) -> None:
    signed_in = await bench.add("wang", "admin")
    offer = await bench.accounts.begin_totp(signed_in.secret)
    app = pyotp.TOTP(offer.text.replace(" ", ""))
    codes = (await bench.accounts.finish_totp(signed_in.secret, bench.code(app), "", HERE)).recovery_codes
    for typed in (codes[0], codes[1].lower().replace("-", " ")):
        begun = await bench.accounts.sign_in("wang", GOOD, HERE)
        assert (await bench.accounts.confirm_code(begun.secret, typed, HERE)).step == "full"
        begun = await bench.accounts.sign_in("wang", GOOD, HERE)
        with pytest.raises(CodeRefusedError):
            await bench.accounts.confirm_code(begun.secret, typed, HERE)
    assert (await bench.actions()).count("recovery_code_used") == 2


@on_both
async def test_five_wrong_codes_end_the_signing_in_and_lock_the_account(bench: Bench) -> None:
    _, app = await bench.add_with_totp()
    bench.go_on(1)
    for attempt in range(5):
        # The right password in between does not begin the count anew.
        begun = await bench.accounts.sign_in("wang", GOOD, HERE)
        with pytest.raises(SessionEndedError if attempt == 4 else CodeRefusedError):
            await bench.accounts.confirm_code(begun.secret, "000000", HERE)
    with pytest.raises(SignInRefusedError):
        await bench.accounts.sign_in("wang", GOOD, HERE)
    bench.go_on(1.1)
    begun = await bench.accounts.sign_in("wang", GOOD, HERE)
    assert (await bench.accounts.confirm_code(begun.secret, bench.code(app), HERE)).step == "full"
    (row,) = await bench.records.look(account_rows.find_all)
    assert (row.failures, row.locked_until_ms) == (0, None)


async def test_others_may_have_one_and_give_it_up(bench: Bench) -> None:
    secret, app = await bench.add_with_totp("li", "nurse")
    with pytest.raises(SignInRefusedError):
        await bench.accounts.remove_totp(secret, "wrong password", HERE)
    without = await bench.accounts.remove_totp(secret, GOOD, HERE)
    assert without.step == "full"
    assert (await bench.accounts.sign_in("li", GOOD, HERE)).step == "full"
    admin, _ = await bench.add_with_totp("wang", "admin")
    assert (await bench.accounts.remove_totp(admin, GOOD, HERE)).step == "setup"
    del app
