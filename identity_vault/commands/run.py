"""`campus vault run`."""

from __future__ import annotations

import asyncio
import contextlib
import signal

from foundation.commands import errors_in_words
from identity_vault.commands.opening import ConfigFile, PassphraseFile, open_from
from identity_vault.service import Service
from identity_vault.vault import Vault


def run(config_file: ConfigFile, passphrase_file: PassphraseFile = None) -> None:
    """Serve gateways, the collector, browsers and guardians until Ctrl-C or SIGTERM."""
    with errors_in_words(), open_from(config_file, passphrase_file) as vault:
        asyncio.run(_run(vault))


async def _run(vault: Vault) -> None:
    service = Service(vault)
    loop = asyncio.get_running_loop()

    def stop(*_: object) -> None:
        # Not the loop's own handlers: those end with it, and a second signal would kill the program.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(service.stop)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        await service.run()
    except BaseException:
        for number, handler in before.items():
            signal.signal(number, handler)
        raise
    for number in before:
        # Everything is closed; what remains is the interpreter's own end.
        signal.signal(number, signal.SIG_IGN)
