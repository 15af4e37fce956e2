"""Asks the vault again and again, keeps what it says, and does what it orders.

With the vault away everything else goes on: the class lists of the last answer stay in use, orders
wait at the vault, reports wait here.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Final

import structlog

from collector.hub import Hub
from collector.records import Records, RecordsUnavailableError, RowsRefusedError, directory
from collector.records.directory import Kept
from collector.vault.client import ANSWER_BYTES_MAX, VaultClient, VaultError, VaultRefusedError
from collector.vault.metrics import VaultMetrics
from collector.vault.settings import VaultSection
from foundation.httppost import HttpPost, parse_target
from foundation.keyfiles import parse_public
from telemetry.envelope import Signer
from telemetry.exchange import JoinAnswer
from telemetry.purposes import Purpose

AHEAD_MS_MAX: Final = 10 * 60_000
"""A directory from further in the future was made by a clock that cannot be right."""

log = structlog.get_logger()


class VaultLink:
    """One collector's line to its school's vault."""

    def __init__(
        self,
        *,
        client: VaultClient,
        records: Records,
        hub: Hub,
        metrics: VaultMetrics,
        refresh_s: float,
        now_ms: Callable[[], int],
    ) -> None:
        self._client = client
        self._records = records
        self._hub = hub
        self._metrics = metrics
        self._refresh_s = refresh_s
        self._now_ms = now_ms
        self.lists_of_ms: int | None = None
        """When the class lists here were last confirmed by the vault, ms UTC; None: there are none."""
        self.class_names: dict[str, tuple[str, str]] = {}
        """What people call each class, in Chinese and English."""
        self.trouble = ""
        """Why the last question has no answer; empty when it has one."""
        self._emptied = False
        """Whether what was erased has left the database's files too, and the copies beside them."""

    async def run(self) -> None:
        """Asks until cancelled; raises only for a fault of the program."""
        while True:
            await self.refresh()
            await asyncio.sleep(self._refresh_s * random.uniform(0.9, 1.0))  # noqa: S311  # spreads questions

    async def refresh(self) -> None:
        """One question, its answer kept, its orders carried out."""
        try:
            await self._exchange()
        except VaultRefusedError as error:
            self._fail("refused", str(error))
        except VaultError as error:
            self._fail("away", str(error))
        except (RecordsUnavailableError, RowsRefusedError) as error:
            # What was refused may quote a row: its kind is enough.
            self._fail("not_kept", f"the records database did not take the answer: {type(error).__name__}")
        else:
            if self.trouble:
                log.info("vault answers again")
            self.trouble = ""
            self._metrics.asked.labels("answered").inc()

    async def join(
        self,
        case_purpose: Purpose,
        cases: list[str],
        exposure_purpose: Purpose,
        exposures: dict[str, list[str]],
    ) -> JoinAnswer:
        """Counts of exposures over two purposes, made inside the vault.

        cases: pseudonyms of `case_purpose`; exposures: pseudonyms of `exposure_purpose` by a text of the
        caller's. Raises VaultError.
        """
        return await self._client.join(case_purpose, cases, exposure_purpose, exposures)

    async def _exchange(self) -> None:
        known, told, names = await self._records.run(
            lambda connection: (
                directory.known(connection),
                directory.waiting_reports(connection),
                directory.class_names(connection),
            )
        )
        self.lists_of_ms = known.at_ms
        self._rename(names)
        if told and not self._emptied:
            # It failed after the deletion, or the program ended: only now may the vault be told.
            await self._empty()
        # After trouble all of it: one of the two may have lost what the other counts on.
        have = 0 if self.trouble else known.version
        answer = await self._client.directory(have, told)
        now_ms = self._now_ms()
        if answer.issued_ms > now_ms + AHEAD_MS_MAX:
            raise VaultError("the answer is of the future: the clocks of collector and vault differ")
        if answer.classes is None and answer.version != have:
            raise VaultError("the answer leaves out class lists that are not here")
        kept = await self._records.run(lambda connection: directory.keep(connection, answer, told, now_ms))
        self.lists_of_ms = now_ms
        if answer.classes is not None:
            self._rename({one.class_id: (one.zh, one.en) for one in answer.classes})
        await self._settle(kept)

    def _rename(self, names: dict[str, tuple[str, str]]) -> None:
        """In place: the page holds on to it."""
        self.class_names.clear()
        self.class_names.update(names)

    async def _settle(self, kept: Kept) -> None:
        self._metrics.orders.labels("erase").inc(kept.erasures)
        self._metrics.orders.labels("export").inc(kept.exports)
        self._metrics.erased_rows.inc(kept.erased_rows)
        if kept.erasures:
            await self._empty()
            log.info("erased by order of the vault", orders=kept.erasures, rows=kept.erased_rows)
            self._hub.publish("alerts")

    async def _empty(self) -> None:
        """The journal of the database still holds the pages as they were."""
        self._emptied = False
        await self._records.empty_journal()
        self._emptied = True

    def _fail(self, outcome: str, why: str) -> None:
        self._metrics.asked.labels(outcome).inc()
        if not self.trouble:
            log.warning("vault gives no class lists, the ones here stay in use", cause=outcome, error=why)
        self.trouble = why


def open_link(
    section: VaultSection,
    *,
    signer: Signer,
    records: Records,
    hub: Hub,
    metrics: VaultMetrics,
    now_ms: Callable[[], int],
) -> VaultLink:
    """A link as the configuration describes it; nothing is asked yet."""
    http = HttpPost(parse_target(section.url), answer_bytes_max=ANSWER_BYTES_MAX, ca_file=section.ca_file)
    client = VaultClient(
        school=section.school, signer=signer, vault_key=parse_public(section.public_key), http=http
    )
    return VaultLink(
        client=client,
        records=records,
        hub=hub,
        metrics=metrics,
        refresh_s=section.refresh_s,
        now_ms=now_ms,
    )
