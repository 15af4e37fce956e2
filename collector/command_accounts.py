"""The accounts for a command, beside a running collector or without one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from collector.accounts.errors import AccountError
from collector.accounts.service import Accounts
from collector.command_records import files_in_words, opened_records
from collector.config import load_config
from collector.intake.line import wall_ms
from foundation.commands import UsageError
from foundation.keyfiles import load_signing_key

Result = TypeVar("Result")


def with_accounts(
    config_file: Path, work: Callable[[Accounts], Awaitable[Result]], *, made: bool = True
) -> Result:
    """`work` on the accounts of a configured collector; errors end the command in words. made: see
    `opened_records`.
    """

    async def run(accounts: Accounts) -> Result:
        return await work(accounts)

    with files_in_words():
        config = load_config(config_file)
        with opened_records(config_file, made=made) as records:
            key = load_signing_key(config.collector.key_file)
            try:
                return asyncio.run(
                    run(Accounts(records, key, wall_ms, school=config.vault.school if config.vault else ""))
                )
            except AccountError as error:
                raise UsageError(str(error)) from error
