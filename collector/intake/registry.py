"""Who may send: the registered gateways, looked up by the key id of an envelope, and their certificates."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from itertools import groupby
from typing import Final, Literal

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from collector.intake.contract import Badge
from collector.records import Gateway, Records, enrolment
from collector.records.enrolment import Certificate, Proved, Registered
from foundation.keyfiles import parse_public
from foundation.logs import FirstOnly

REFRESH_S: Final = 1.5
"""A gateway added or revoked by command works or stops working within two seconds."""

log = structlog.get_logger()

_Name = tuple[str, str]


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000


class Registry:
    """The registered gateways in memory, read again every `REFRESH_S` however many messages come."""

    def __init__(self, records: Records, now_ms: Callable[[], int] = _wall_ms) -> None:
        self._records = records
        self._now_ms = now_ms
        self._rows = Registered([], [], [])
        self._by_key: dict[bytes, tuple[Gateway, Ed25519PublicKey]] = {}
        self._certificates: dict[_Name, list[Certificate]] = {}
        self._unproved: dict[bytes, Proved] = {}
        self._proved: set[Proved] = set()
        self._read_s = float("-inf")
        self._reading = asyncio.Lock()
        self._reported = FirstOnly()

    @property
    def was_read(self) -> bool:
        return self._read_s > float("-inf")

    @property
    def certificates(self) -> dict[_Name, list[Certificate]]:
        """Those not revoked, by school and gateway, the newest last."""
        return self._certificates

    async def refresh(self) -> None:
        """Raises RecordsUnavailableError; then what was known stays known."""
        async with self._reading:
            if time.monotonic() - self._read_s < REFRESH_S:
                return
            rows = await self._records.look(partial(enrolment.registered, now_ms=self._now_ms()))
            if rows != self._rows:
                self._take(rows)
            self._read_s = time.monotonic()

    def _take(self, rows: Registered) -> None:
        by_name = {(one.school, one.id): one for one in rows.gateways}
        found = [(gateway, gateway.key_id, gateway.public_key) for gateway in rows.gateways]
        found += [
            (by_name[name], old.key_id, old.public_key)
            for old in rows.old_keys
            if (name := (old.school, old.gateway)) in by_name
        ]
        certificates = {
            name: list(some)
            for name, some in groupby(rows.certificates, lambda one: (one.school, one.gateway))
        }
        self._rows, self._by_key, self._certificates = rows, self._keys(found), certificates
        self._unproved = dict(_to_prove(rows, by_name, certificates))
        self._proved &= set(self._unproved.values())

    def _keys(self, rows: list[tuple[Gateway, str, str]]) -> dict[bytes, tuple[Gateway, Ed25519PublicKey]]:
        found = {}
        for gateway, key_id, public_key in rows:
            try:
                found[bytes.fromhex(key_id)] = (gateway, parse_public(public_key))
            except ValueError:
                if self._reported.first((gateway.school, gateway.id)):
                    log.error(
                        "registered key unreadable, gateway refused",
                        school=gateway.school,
                        gateway=gateway.id,
                    )
        return found

    def find(self, key_id: bytes) -> tuple[Gateway, Ed25519PublicKey] | None:
        """The gateway with this key id, revoked ones included, as of the last refresh."""
        return self._by_key.get(key_id)

    def heard(self, evidence: bytes) -> None:
        """A message was verified under the key of this id, or came over a connection with the certificate of
        this fingerprint: if it is what its gateway was given last, what came before may end.
        """
        if (found := self._unproved.get(evidence)) is not None:
            self._proved.add(found)

    def proved(self) -> frozenset[Proved]:
        """What was heard of, until it is seen in the database."""
        return frozenset(self._proved)

    def certified(
        self, gateway: Gateway, key_id: bytes, badge: Badge
    ) -> Literal["known", "uncertified", "foreign"]:
        """Whether what a connection has shown is what this gateway must show."""
        held = self._certificates.get((gateway.school, gateway.id), [])
        if badge.fingerprint is not None:
            if all(one.fingerprint != badge.fingerprint.hex() for one in held):
                return "foreign"
            if key_id.hex() == gateway.key_id:
                self.heard(badge.fingerprint)
            return "known"
        # Who still signs with the old key may not have got the newest certificate.
        expected = held if key_id.hex() == gateway.key_id else held[:-1]
        return "uncertified" if expected or badge.required else "known"


def _to_prove(
    rows: Registered, by_name: dict[_Name, Gateway], certificates: dict[_Name, list[Certificate]]
) -> list[tuple[bytes, Proved]]:
    """By what it is known: key id or fingerprint."""
    found = []
    changing = {(old.school, old.gateway) for old in rows.old_keys}
    for name, gateway in by_name.items():
        held = certificates.get(name, [])
        proved = Proved(*name, gateway.key_id, held[-1].serial if held else "")
        if name in changing:
            found.append((bytes.fromhex(gateway.key_id), proved))
        if len(held) > 1:
            found.append((bytes.fromhex(held[-1].fingerprint), proved))
    return found
