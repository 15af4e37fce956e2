"""A vault beside the real processes of a site: the gateways' tests' double, in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from telemetry.credential_map import FORMAT, MapUpdate, Permit, Person, blind
from telemetry.purposes import Purpose
from tests.edge.vault_double import VaultDouble, serving

BLINDING_KEY = bytes(range(32))
DAY_MS = 86_400_000


class Holder(NamedTuple):
    """Who holds a card: pseudonyms by purpose, and the class."""

    pseudonyms: Mapping[Purpose, str]
    class_id: str


def make_update(
    school: str, gateway: str, cards: Mapping[str, Holder], *, version: int, issued_ms: int
) -> MapUpdate:
    """The whole map of a gateway at whose school it is a school day today and tomorrow."""
    people = [
        Person(slot, holder.class_id, {purpose: Permit(one) for purpose, one in holder.pseudonyms.items()})
        for slot, holder in enumerate(cards.values())
    ]
    return MapUpdate(
        format=FORMAT,
        school=school,
        gateway=gateway,
        version=version,
        base=0,
        issued_ms=issued_ms,
        epoch="2026",
        blinding_key=BLINDING_KEY,
        people=people,
        people_gone=[],
        credentials={blind(BLINDING_KEY, card): slot for slot, card in enumerate(cards)},
        credentials_gone=[],
        lessons={},
        school_days=[(issued_ms - DAY_MS, issued_ms + 2 * DAY_MS)],
        erased=[],
    )


class SiteVaults:
    """One double a gateway, all of them in one thread. Their `update` may be replaced at any time."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._stack = AsyncExitStack()
        self._thread = threading.Thread(target=self._loop.run_forever, name="vaults", daemon=True)
        self._thread.start()

    def add(self, gateway_key: Ed25519PublicKey, update: MapUpdate) -> VaultDouble:
        vault = VaultDouble(gateway_key, update)
        entering = self._stack.enter_async_context(serving(vault))
        return asyncio.run_coroutine_threadsafe(entering, self._loop).result(10)

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._stack.aclose(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
