"""The outbox: which alert is still to be told by which notifier. Functions of a transaction.

A row is written with the alert and ends as `sent` or `given_up`. Before it is tried its next try is put
off, so that of two collectors at one database one tries, and one that is killed meanwhile tries again:
told at least once, perhaps twice.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, delete, func, insert, select, update

from collector.records.alerts import Alert
from collector.records.chunks import chunks
from collector.records.notice_tables import notices
from collector.records.tables import alerts

ERROR_CHARS_MAX: Final = 256
KEPT_MS: Final = 90 * 86_400_000
"""After it was sent or given up."""

Outbox = Callable[[str, str], Sequence[str]]
"""The notifiers that tell of an alert, from its kind and its school."""


def nobody(kind: str, school: str) -> Sequence[str]:
    """The outbox of a collector without notifiers."""
    del kind, school
    return ()


class Due(NamedTuple):
    """One notice whose time has come."""

    id: int
    tries: int
    next_ms: int
    alert: Alert


def add(connection: Connection, raised: Sequence[dict[str, Any]], outbox: Outbox, now_ms: int) -> None:
    """What the notifiers have to tell of alerts that were just inserted."""
    wanted = {row["cause"]: names for row in raised if (names := outbox(row["kind"], row["school"]))}
    for causes in chunks(wanted):
        found = connection.execute(select(alerts.c.id, alerts.c.cause).where(alerts.c.cause.in_(causes)))
        rows = [
            {"alert": id_, "notifier": name, "state": "waiting", "tries": 0, "next_ms": now_ms}
            for id_, cause in found
            for name in wanted[cause]
        ]
        connection.execute(insert(notices), rows)


def due(connection: Connection, notifier: str, now_ms: int, most: int) -> list[Due]:
    """The oldest first."""
    found = connection.execute(
        select(notices.c.id, notices.c.tries, notices.c.next_ms, alerts)
        .join(alerts, alerts.c.id == notices.c.alert)
        .where(notices.c.state == "waiting", notices.c.notifier == notifier, notices.c.next_ms <= now_ms)
        .order_by(notices.c.id)
        .limit(most)
    )
    fields = [column.name for column in alerts.c]
    return [Due(row[0], row[1], row[2], Alert(**dict(zip(fields, row[3:], strict=True)))) for row in found]


def claim(connection: Connection, one: Due, until_ms: int) -> bool:
    """Counts the try before it is made; False when another collector was quicker."""
    return bool(
        connection.execute(
            update(notices)
            .where(notices.c.id == one.id, notices.c.state == "waiting", notices.c.next_ms == one.next_ms)
            .values(tries=one.tries + 1, next_ms=until_ms)
        ).rowcount
    )


def later(connection: Connection, id_: int, at_ms: int, error: str) -> None:
    connection.execute(
        update(notices)
        .where(notices.c.id == id_, notices.c.state == "waiting")
        .values(next_ms=at_ms, error=error[:ERROR_CHARS_MAX])
    )


def sent(connection: Connection, id_: int, now_ms: int) -> None:
    _end(connection, [id_], "sent", now_ms, None)


def give_up(connection: Connection, id_: int, now_ms: int, error: str) -> None:
    _end(connection, [id_], "given_up", now_ms, error)


def _end(connection: Connection, ids: Collection[int], state: str, now_ms: int, error: str | None) -> None:
    connection.execute(
        update(notices)
        .where(notices.c.id.in_(ids))
        .values(state=state, done_ms=now_ms, error=error and error[:ERROR_CHARS_MAX])
    )


def next_ms(connection: Connection, notifier: str) -> int | None:
    """When the next one is due; None: nothing waits."""
    mine = (notices.c.state == "waiting", notices.c.notifier == notifier)
    found: int | None = connection.scalar(select(func.min(notices.c.next_ms)).where(*mine))
    return found


def count(connection: Connection, notifier: str, since_ms: int) -> tuple[int, int]:
    """How many wait, and how many were given up since then."""
    mine = select(func.count()).where(notices.c.notifier == notifier)
    waiting = connection.scalar(mine.where(notices.c.state == "waiting"))
    gone = connection.scalar(mine.where(notices.c.state == "given_up", notices.c.done_ms >= since_ms))
    return waiting or 0, gone or 0


def tidy(connection: Connection, notifiers: Collection[str], now_ms: int) -> int:
    """Gives up what waits for a notifier that is not configured any more, and deletes what is long over; how
    many were given up.
    """
    nobodys = select(notices.c.id).where(
        notices.c.state == "waiting", notices.c.notifier.not_in(list(notifiers))
    )
    ids = list(connection.scalars(nobodys))
    for some in chunks(ids):
        _end(connection, some, "given_up", now_ms, "its notifier is not configured any more")
    connection.execute(delete(notices).where(notices.c.done_ms < now_ms - KEPT_MS))
    return len(ids)
