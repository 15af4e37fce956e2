"""Imports a roster into the vault: reads the files, plans, and does all of it in one transaction or nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Literal, NamedTuple

from sqlalchemy import Connection, delete

from identity_vault.audit import Detail, Entry, operator, record_many
from identity_vault.calendar.days import in_parts
from identity_vault.database import tables
from identity_vault.imports.headers import Content, Headers
from identity_vault.imports.problems import ImportProblems, Problems, whole_file
from identity_vault.imports.roster_plan import Change, Known, Plan, plan_roster
from identity_vault.imports.roster_rows import NEEDED, RosterRow, check_rows, day_ms, read_rows, today_of
from identity_vault.imports.tables import read_tables
from identity_vault.roster import (
    add_credential,
    add_guardian,
    add_pupil,
    all_pupils,
    bump,
    change_guardian,
    change_pupil,
    class_names,
    consents_of,
    credentials_of,
    end_credentials,
    give_consent,
    guardians_of,
    put_class,
)
from identity_vault.vault import Vault

FILES_MAX: Final = 200
PUPILS_MAX: Final = 50_000
"""As many as a credential map holds."""

Missing = Literal["leave", "mark-left"]
Report = Callable[[int, int], None]
"""Told how many pupils are done, of how many."""


class RosterFiles(NamedTuple):
    """The files of one import, read. contents: for what is said about columns and sheets not used."""

    contents: list[Content]
    rows: list[RosterRow]
    titles: Callable[[str, str], str]


def read_roster(vault: Vault, files: Sequence[tuple[str, bytes]], headers: Headers) -> RosterFiles:
    """The rows of all files. Raises ImportProblems with everything wrong in any of them."""
    if len(files) > FILES_MAX:
        raise whole_file(
            files[FILES_MAX][0], f"is one of more than {FILES_MAX} files", "import them in parts"
        )
    problems, contents, rows = Problems(), list[Content](), list[RosterRow]()
    today = today_of(vault.now_ms(), vault.config.zone)
    for name, data in files:
        try:
            content = headers.locate(read_tables(name, data), NEEDED)
        except ImportProblems as error:
            problems.extend(error.problems)
            continue
        contents.append(content)
        if not content.rows:
            problems.extend(whole_file(name, "has titles and no pupils", "export it again").problems)
        rows += read_rows(content, today, problems)
        if len(rows) > PUPILS_MAX:
            raise whole_file(name, f"brings the rows to more than {PUPILS_MAX}", "check what is in the files")

    by_file = {content.file: content for content in contents}

    def titles(file: str, meaning: str) -> str:
        return by_file[file].title_of(meaning)

    check_rows(rows, problems, titles)
    problems.raise_if_any()
    return RosterFiles(contents, rows, titles)


def plan_in(vault: Vault, connection: Connection, files: RosterFiles) -> Plan:
    """What an import would change now. Raises ImportProblems."""
    problems = Problems()
    known = Known(
        all_pupils(vault, connection),
        credentials_of(vault, connection),
        guardians_of(vault, connection),
        consents_of(connection),
        class_names(connection),
    )
    plan = plan_roster(files.rows, known, vault.now_ms(), vault.config.zone, files.titles, problems)
    problems.raise_if_any()
    return plan


def import_roster(
    vault: Vault, files: RosterFiles, *, missing: Missing = "leave", report: Report = lambda _done, _all: None
) -> Plan:
    """Does it, with its rows of the audit. Raises ImportProblems or VaultUnavailableError, and has
    changed nothing then.
    """
    with vault.begin() as connection:
        plan = plan_in(vault, connection, files)
        _apply(vault, connection, plan, missing, report)
    return plan


def _apply(vault: Vault, connection: Connection, plan: Plan, missing: Missing, report: Report) -> None:
    leaving = plan.missing if missing == "mark-left" else []
    if not plan.changes and not leaving:
        record_many(vault, connection, [_summary(plan, 0)])
        return
    for one in plan.classes:
        put_class(connection, one.id, one.zh, one.en)
    now_ms = vault.now_ms()
    # What somebody gives up comes first, for somebody else may get it.
    for ids in in_parts([id_ for change in plan.changed for id_ in change.ended]):
        end_credentials(connection, ids, now_ms)
    for ids in in_parts(plan.released):
        connection.execute(delete(tables.credentials).where(tables.credentials.c.id.in_(ids)))
    entries = [_summary(plan, len(leaving))]
    total = len(plan.added) + len(plan.changed) + len(leaving)
    for done, change in enumerate((*plan.added, *plan.changed)):
        report(done, total)
        entries.append(_write(vault, connection, change, now_ms))
    for pupil in leaving:
        change_pupil(vault, connection, pupil.id, state="left")
        valid = [one.id for one in credentials_of(vault, connection, [pupil.id]) if one.until_ms is None]
        end_credentials(connection, valid, now_ms)
        entries.append(Entry(operator(), "import_left", pupil=pupil.id))
    bump(connection)
    record_many(vault, connection, entries)
    report(total, total)


def _write(vault: Vault, connection: Connection, change: Change, now_ms: int) -> Entry:
    row = change.row
    if change.pupil is None:
        assert change.details is not None
        id_ = add_pupil(vault, connection, row.school_class.id, change.details)
    else:
        id_ = change.pupil.id
        change_pupil(
            vault,
            connection,
            id_,
            details=change.details,
            class_id=change.class_id,
            state="active" if change.returns else None,
        )
    for kind, value in change.credentials:
        add_credential(vault, connection, id_, kind, value, now_ms)
    for guardian_id, details in change.guardians:
        if guardian_id is None:
            add_guardian(vault, connection, id_, details)
        else:
            change_guardian(vault, connection, guardian_id, details)
    for consent in change.consents:
        give_consent(
            vault,
            connection,
            id_,
            consent.purpose,
            given_by="pupil" if consent.by == "pupil" else "guardian",
            evidence=consent.evidence,
            given_ms=day_ms(consent.on, vault.config.zone),
        )
    detail: dict[str, Detail] = {"parts": change.parts}
    if change.consents:
        detail["consents"] = [consent.purpose for consent in change.consents]
    return Entry(
        operator(), "import_added" if change.pupil is None else "import_changed", pupil=id_, detail=detail
    )


def _summary(plan: Plan, left: int) -> Entry:
    return Entry(
        operator(),
        "import_roster",
        detail={
            "added": len(plan.added),
            "changed": len(plan.changed),
            "unchanged": plan.unchanged,
            "left": left,
            "missing": len(plan.missing),
            "classes": len(plan.classes),
            "older_consents": plan.older_consents,
        },
    )
