"""Accounts over a real database, with a clock that stands still and passwords that cost little."""

from __future__ import annotations

from typing import Any

import pyotp
from argon2 import PasswordHasher

from collector.accounts.model import NewAccount, SignedIn
from collector.accounts.passwords import Passwords
from collector.accounts.rates import RATES, Rate, Rates
from collector.accounts.service import Accounts
from collector.records import Records
from tests.collector.record_databases import KEY

CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
NOW_MS = 1_788_220_862_500
SCHOOL = "example-primary"
GOOD = "mountain bicycle 山"
BETTER = "another long sentence"
HERE = "10.1.2.3"


class Bench:
    """`accounts` of one collector; `now_ms` is moved by hand. Rates are out of the way unless asked for."""

    def __init__(self, records: Records, rates: Rates | None = None) -> None:
        self.records = records
        self.now_ms = NOW_MS
        many = dict.fromkeys(RATES, Rate(100_000, 60))
        self.accounts = Accounts(
            records,
            KEY,
            lambda: self.now_ms,
            rates=rates or Rates(rates=many),
            passwords=Passwords(CHEAP),
            school=SCHOOL,
        )

    def go_on(self, minutes: float) -> None:
        self.now_ms += round(minutes * 60_000)

    async def add(self, username: str = "li", role: Any = "nurse", **more: Any) -> SignedIn:
        """Somebody new who has chosen the password `GOOD`; how far they are then."""
        first = await self.accounts.staff.add(NewAccount(username, "示例", role, **more), "test")
        signed_in = await self.accounts.sign_in(username, first, HERE)
        return await self.accounts.change_password(signed_in.secret, first, GOOD, HERE)

    async def add_with_totp(self, username: str = "wang", role: Any = "admin") -> tuple[str, pyotp.TOTP]:
        """Somebody with a second factor: a full session, and their app."""
        signed_in = await self.add(username, role)
        offer = await self.accounts.begin_totp(signed_in.secret)
        app = pyotp.TOTP(offer.text.replace(" ", ""))
        done = await self.accounts.finish_totp(signed_in.secret, self.code(app), GOOD, HERE)
        return done.signed_in.secret, app

    def code(self, app: pyotp.TOTP) -> str:
        return app.at(self.now_ms // 1_000)

    async def actions(self) -> list[str]:
        """Of the audit, oldest first."""
        return [row.action for row in reversed(await self.accounts.trail.find(limit=500))]
