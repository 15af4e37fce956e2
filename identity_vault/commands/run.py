"""`campus vault run`."""

from __future__ import annotations

import asyncio

from foundation.commands import errors_in_words
from foundation.stopping import run_until_told
from identity_vault.commands.opening import ConfigFile, PassphraseFile, open_from
from identity_vault.service import Service


def run(config_file: ConfigFile, passphrase_file: PassphraseFile = None) -> None:
    """Serve gateways, the collector, browsers and guardians until Ctrl-C or SIGTERM."""
    with errors_in_words(), open_from(config_file, passphrase_file) as vault:
        asyncio.run(run_until_told(Service(vault)))
