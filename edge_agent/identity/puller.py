"""Keeps the gateway's credential map fresh: asks the vault again and again, and forgets whom it must.

An answer can only be the answer to the question just asked (its nonce, its seal), so what the vault
says is never an old answer said again. It may still be an old *vault*, put back from a copy: a lower
version is believed only as a whole map that was also made later than the one here.

Asking with a version confirms it to the vault. So the gateway asks with a version only when the map
is on its disk and when nobody who was to be erased is left in its buffer; until then it asks for the
whole map, as if it had none.
"""

from __future__ import annotations

import asyncio
import random
from typing import Final

import structlog

from edge_agent.buffer.contract import Buffer, BufferFullError
from edge_agent.clock import Clock
from edge_agent.counters import Counters
from edge_agent.identity.credentials import Credentials
from edge_agent.identity.map_file import NAME as MAP_FILE_NAME
from edge_agent.identity.map_file import MapFile, MapFileError
from edge_agent.identity.vault_link import ONLY_CHANGES, VaultError, VaultLink
from foundation.backoff import Backoff
from foundation.faults import kind_of, where_of
from foundation.logs import FirstOnly
from foundation.memory import give_back
from telemetry.credential_map import CredentialMap, CredentialMapError, Forgotten, MapUpdate, MissingBaseError

SETTLE_S: Final = 30.0
"""How long records that were under way when a map came may still be on their way to the buffer: a
heart-rate window and an open batch end sooner."""
SAVE_INTERVAL_MS: Final = 6 * 3_600_000
"""A map in which nothing has changed but its date is written this often: a card wears out by writing."""
FAILURE_S_MAX: Final = 60.0
"""Between two tries, as long as a withdrawal may take effect within five minutes of the vault's return."""
_JITTER: Final = 0.1
_MS_PER_HOUR: Final = 3_600_000

log = structlog.get_logger()


class Puller:
    """The task "credentials". Swaps the map of `credentials`; whatever the vault does ends nothing here."""

    def __init__(
        self,
        link: VaultLink,
        file: MapFile,
        credentials: Credentials,
        buffer: Buffer,
        clock: Clock,
        counters: Counters,
        *,
        refresh_s: float,
        settle_s: float = SETTLE_S,
    ) -> None:
        self._link = link
        self._file = file
        self._credentials = credentials
        self._buffer = buffer
        self._clock = clock
        self._counters = counters
        self._refresh_s = refresh_s
        self._settle_s = settle_s
        self._backoff = Backoff(min(1.0, refresh_s), min(FAILURE_S_MAX, refresh_s))
        self._reported = FirstOnly()
        self._saved_ms: int | None = None
        """`issued_ms` of the map on the disk; None: the disk does not hold what is in use."""
        self._erased: frozenset[bytes] = frozenset()
        """Of whom nothing was left in the buffer after their last record could have come."""
        self._settled_s = 0.0
        self.asked = asyncio.Event()
        """Set once the vault has been asked, whatever came of it."""

    def load(self) -> None:
        """Takes the map of the last run into use. A file that cannot be used is put aside."""
        try:
            found = self._file.read()
        except MapFileError as error:
            log.error("credential map put aside, the vault is asked for a new one", error=str(error))
            self._file.put_aside()
            return
        if found is not None:
            self._saved_ms = found.issued_ms
            self._use(found)
            give_back()

    async def run(self) -> None:
        """For ever."""
        while True:
            try:
                wait_s = await self.refresh()
            except Exception as error:  # noqa: BLE001  # said below
                # The other lane must not end for a fault in this one.
                self._counters.map_failures["fault"] += 1
                log.error(
                    "fault while refreshing the credential map", error=kind_of(error), where=where_of(error)
                )
                wait_s = FAILURE_S_MAX
            self.asked.set()
            await asyncio.sleep(wait_s)

    async def refresh(self) -> float:
        """Asks once; returns after how many seconds to ask again."""
        if (wait_s := self._settled_s - asyncio.get_running_loop().time()) > 0:
            return wait_s
        try:
            full = await self._erase(settled=True)
            # Consent may end while the disk is full: the vault is asked all the same.
            await self._pull()
            if full is not None:
                raise full
        except VaultError as error:
            if error.needs_a_person:
                self._backoff.exhaust()
            return self._failed(error.reason, error)
        except (MapFileError, BufferFullError) as error:
            return self._failed("disk", error)
        self._backoff.reset()
        self._counters.map_refreshes += 1
        if self._reported.forget("failed"):
            log.info("credential map refreshed again", version=self._counters.map_version)
        return self._refresh_s * random.uniform(1 - _JITTER, 1)  # noqa: S311  # spreads, guards nothing

    def _failed(self, reason: str, error: Exception) -> float:
        self._counters.map_failures[reason] += 1
        say = log.warning if self._reported.first("failed") else log.debug
        say("credential map not refreshed, trying again", reason=reason, error=str(error))
        return self._backoff.delay_s()

    async def _pull(self) -> None:
        have = self._credentials.map
        confirmed = have is not None and self._saved_ms is not None and self._is_clean(have)
        answer = await self._link.ask(have.version if have is not None and confirmed else 0)
        try:
            found = _next_map(have, answer)
        except MissingBaseError:
            answer = await self._link.ask(0)
            if isinstance(answer, MapUpdate):
                raise VaultError("map_unusable", ONLY_CHANGES) from None
            found = _next_map(have, answer)
        if have is None or have.version != found.version:
            log.info("credential map", version=found.version, people=len(found.people))
        self._use(found)
        new_erased = found.erased - (have.erased if have is not None else frozenset())
        if new_erased:
            self._settled_s = asyncio.get_running_loop().time() + self._settle_s
        whole = isinstance(answer, CredentialMap)
        unchanged = not whole and have is not None and _same(have, found)
        if whole:
            del have, answer
            give_back()  # what taking it took
        # In use already, whatever the disk says to it: a withdrawal does not wait for that.
        await self._save(found, unchanged=unchanged)
        if new_erased and (full := await self._erase(settled=False)) is not None:
            raise full

    def _is_clean(self, found: CredentialMap) -> bool:
        return found.erased <= self._erased

    def _use(self, found: CredentialMap) -> None:
        self._credentials.map = found
        # Who has agreed again may have to be forgotten again.
        self._erased &= found.erased
        self._counters.map_version = found.version
        self._counters.map_issued_ms = found.issued_ms
        if self._credentials.current(self._clock.now_ms()) is not None:
            self._reported.forget("unusable")
        elif self._clock.known and self._reported.first("unusable"):
            log.error(
                "credential map too old or made in the future: everybody is anonymous",
                age_hours=round(found.age_ms(self._clock.now_ms()) / _MS_PER_HOUR, 1),
            )

    async def _save(self, found: CredentialMap, *, unchanged: bool) -> None:
        saved_ms = self._saved_ms
        if unchanged and saved_ms is not None and abs(found.issued_ms - saved_ms) < SAVE_INTERVAL_MS:
            return
        self._saved_ms = None
        await asyncio.to_thread(self._file.write, found)
        self._saved_ms = found.issued_ms

    async def _erase(self, *, settled: bool) -> BufferFullError | None:
        """Takes out of the buffer whom the map says must be forgotten; nobody twice once `settled`. Gives
        back why not.
        """
        found = self._credentials.map
        if found is None or self._is_clean(found):
            return None
        self._file.forget_damaged()
        try:
            count = await self._buffer.erase(Forgotten(found.blinding_key, found.erased - self._erased))
        except BufferFullError as error:
            return error
        self._counters.records_erased += count
        if count:
            log.info("records erased from the buffer", records=count)
        if settled:
            self._erased = found.erased
        return None


def _next_map(have: CredentialMap | None, answer: CredentialMap | MapUpdate) -> CredentialMap:
    """What the map becomes. Raises MissingBaseError, and VaultError for what must not be believed."""
    if isinstance(answer, MapUpdate):
        if have is None:
            raise MissingBaseError("changes, and no map is here")
        try:
            return have.updated(answer)
        except MissingBaseError:
            raise
        except CredentialMapError as error:
            raise VaultError("map_unusable", str(error)) from error
    if have is not None and answer.version < have.version:
        if answer.issued_ms <= have.issued_ms:
            raise VaultError(
                "older",
                f"version {answer.version} was sent, version {have.version} made later is here; is an old copy "
                f"of the vault running? If the copy is right, stop the gateway and remove {MAP_FILE_NAME}",
            )
        log.warning(
            "the vault has gone back to a lower version: put back from a copy?",
            version=answer.version,
            before=have.version,
        )
    return answer


def _same(one: CredentialMap, other: CredentialMap) -> bool:
    """But for their dates."""
    return (one.version, one.epoch, one.erased, one.lessons, one.school_days) == (
        other.version,
        other.epoch,
        other.erased,
        other.lessons,
        other.school_days,
    )
