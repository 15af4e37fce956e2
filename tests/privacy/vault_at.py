"""A vault in a process of its own, in another time than the machine's: run as a module.

Arguments: the vault's file, the file with its passphrase, by how many ms its time differs from the
machine's. It says ``running`` on standard output and serves until its input ends.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from foundation import logs
from identity_vault.config import load_config
from identity_vault.service import Service
from identity_vault.vault import Vault, open_vault


async def serve(vault: Vault) -> None:
    service = Service(vault)
    async with asyncio.TaskGroup() as group:
        group.create_task(service.run(), name="vault")
        await service.running.wait()
        print("running", flush=True)
        await asyncio.to_thread(sys.stdin.read)
        service.stop()


if __name__ == "__main__":
    logs.configure("debug", "json")
    file, passphrase, shift_ms = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    with open_vault(
        load_config(file),
        passphrase.read_text("utf-8").strip(),
        lambda: time.time_ns() // 1_000_000 + shift_ms,
    ) as opened:
        asyncio.run(serve(opened))
