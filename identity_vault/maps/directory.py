"""What the collector is told: class lists without names, lessons, and what it has to delete or hand over."""

from __future__ import annotations

from collections.abc import Sequence

from identity_vault.maps.people import Snapshot
from telemetry.exchange import ClassList, Directory, Order


def build_directory(
    snapshot: Snapshot, *, issued_ms: int, orders: Sequence[Order], with_classes: bool = True
) -> Directory:
    """with_classes: False where the collector has those of this version."""
    return Directory(
        version=snapshot.version,
        issued_ms=issued_ms,
        epoch=snapshot.epoch,
        classes=class_lists(snapshot, issued_ms) if with_classes else None,
        lessons={class_id: list(lessons) for class_id, lessons in snapshot.lessons.items()},
        school_days=list(snapshot.school_days),
        orders=list(orders),
    )


def class_lists(snapshot: Snapshot, now_ms: int) -> list[ClassList]:
    """Every class that has pupils. Pseudonyms stand in their own order, which is nobody's."""
    sizes: dict[str, int] = {}
    pseudonyms: dict[str, list[str]] = {}
    for person in snapshot.people.values():
        sizes[person.class_id] = sizes.get(person.class_id, 0) + 1
        permit = person.permits.get("health")
        if permit is not None and (permit.until_ms is None or now_ms < permit.until_ms):
            pseudonyms.setdefault(person.class_id, []).append(permit.pseudonym)
    return [
        ClassList(
            class_id,
            *snapshot.names.get(class_id, (class_id, class_id)),
            sizes[class_id],
            sorted(pseudonyms.get(class_id, ())),
        )
        for class_id in sorted(sizes)
    ]
