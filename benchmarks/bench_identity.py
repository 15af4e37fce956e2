"""What the credential map costs a gateway: the times of a refresh, and resident memory with 3,000 pupils.

A real `campus edge run` on a real mosquitto, once without and once with ``[personal]``; the vault is the
tests' double. ``python -m benchmarks.bench_identity`` in the repository's folder prints a table and writes
the row `edge_identity` of build/bench.json.
"""

from __future__ import annotations

import asyncio
import json
import random
import secrets
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.bench_gateway import RESULTS, free_port, resident_mb, running, wait_for_port, write_config
from edge_agent.identity.map_file import MapFile
from foundation.keyfiles import load_signing_key
from telemetry.credential_map import (
    FORMAT,
    CredentialMap,
    Lesson,
    MapUpdate,
    Permit,
    Person,
    decode_map,
    encode_update,
)
from telemetry.purposes import PURPOSE_NAMES
from tests.edge.vault_double import VaultDouble, serving

PUPILS: Final = 3_000
CREDENTIALS_EACH: Final = 19
"""A card of seven bytes in 18 notations, and a band."""
CLASSES: Final = 60
DAYS: Final = 8
LESSONS_A_DAY: Final = 7
SETTLE_S: Final = 4.0
ROUNDS: Final = 5
_DAY_MS: Final = 86_400_000
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def make_update() -> MapUpdate:
    """A whole map of a large school."""
    chance, now_ms = random.Random(7), time.time_ns() // 1_000_000
    people = [
        Person(
            slot,
            f"c-{slot % CLASSES}",
            {name: Permit("".join(chance.choices(_ALPHABET, k=26))) for name in PURPOSE_NAMES},
            207.0,
        )
        for slot in range(PUPILS)
    ]
    starts = [now_ms + day * _DAY_MS + at * 3_000_000 for day in range(DAYS) for at in range(LESSONS_A_DAY)]
    lessons = [Lesson(start, start + 2_400_000, "pe", "gym/hall") for start in starts]
    return MapUpdate(
        format=FORMAT,
        school="example-primary",
        gateway="gw",
        version=5,
        base=0,
        issued_ms=now_ms,
        epoch="2026",
        blinding_key=bytes(32),
        people=people,
        people_gone=[],
        credentials={secrets.token_bytes(8): at % PUPILS for at in range(PUPILS * CREDENTIALS_EACH)},
        credentials_gone=[],
        lessons={f"c-{number}": lessons for number in range(CLASSES)},
        school_days=[(now_ms, now_ms + DAYS * _DAY_MS)],
        erased=[],
    )


def best_ms(work: Callable[[], object]) -> float:
    spent = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        work()
        spent.append(time.perf_counter() - begun)
    return min(spent) * 1_000


def times(update: MapUpdate, folder: Path) -> dict[str, float]:
    data = encode_update(update)
    found = CredentialMap.whole(update)
    nothing_new = msgspec.structs.replace(update, base=update.version, people=[], credentials={})
    map_file = MapFile(folder, Ed25519PrivateKey.generate(), "example-primary", "gw")
    return {
        "answer_bytes": float(len(data)),
        "take_ms": best_ms(lambda: decode_map(data)),
        "nothing_new_ms": best_ms(lambda: found.updated(nothing_new)),
        "write_ms": best_ms(lambda: map_file.write(found)),
        "read_ms": best_ms(map_file.read),
    }


async def memory_mb(update: MapUpdate | None) -> float:
    """Of an idle gateway, once it has its map."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder, port, metrics_port = Path(name), free_port(), free_port()
        conf = folder / "mosquitto.conf"
        conf.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nuser root\n", "utf-8")
        stack.enter_context(running("mosquitto", "-c", conf))
        wait_for_port(port)
        file = write_config(folder, port, metrics_port)
        key = load_signing_key(folder / "gateway.key").public_key()
        vault = VaultDouble(key, update or make_update())
        async with serving(vault):
            if update is not None:
                section = f'[personal]\nvault = "{vault.url}"\nvault_public_key = "{vault.public_key}"\n'
                file.write_text(file.read_text("utf-8").replace("[metrics]", f"{section}[metrics]"), "utf-8")
            gateway = stack.enter_context(running(sys.executable, "-m", "campus", "edge", "run", file))
            await asyncio.to_thread(wait_for_port, metrics_port)
            await asyncio.sleep(SETTLE_S)
            if update is not None and not vault.asked:
                raise SystemExit("the gateway has not asked for its map")
            return resident_mb(gateway.pid)


def main() -> None:
    update = make_update()
    with tempfile.TemporaryDirectory() as name:
        figures = times(update, Path(name))
    figures["rss_without_mb"] = asyncio.run(memory_mb(None))
    figures["rss_mb"] = asyncio.run(memory_mb(update))
    for name, value in figures.items():
        print(f"{name:<20} {value:>12,.1f}")
    RESULTS.parent.mkdir(exist_ok=True)
    rows = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    rows["edge_identity"] = figures
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
