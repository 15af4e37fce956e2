"""The contract of a notifier: it tells one system of one alert.

A notice is the same whatever an alert is about, and less than the alert: what happened, where, and when.
A pseudonym, a class, a measured value are not in it, so that none can leave with it; who may see them looks
at the console.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from collector.scenarios.kinds import Severity
from collector.text import Text


class Notice(NamedTuple):
    """What is told. `id` is the same at every try, for a notice may come twice. time_ms: of the event, UTC.
    doubtful: a second measurement is asked for before anybody believes it.
    """

    id: str
    alert: int
    kind: str
    title: Text
    school: str
    place: str
    place_label: Text
    time_ms: int
    severity: Severity
    doubtful: bool


class NotifyError(Exception):
    """It was not told; the message says why, in words for a log, without a secret."""


class NotifyLaterError(NotifyError):
    """It may be told later; retry_after_s: not before, where the other side says so."""

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class NotifyNeverError(NotifyError):
    """It will not be told, however often it is tried: given up at once."""


class Notifier(Protocol):
    """Has told when it returns. What it raises beside NotifyError counts as "later". It is cancelled after
    `delivery.TRY_S`, and used by one task only. It opens what it needs in `notify` and closes it again.
    """

    async def notify(self, notice: Notice) -> None: ...
