"""`campus vault erase` and `campus vault corrections list|decide`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from unicodedata import normalize

import typer
from rich.console import Console

from foundation.commands import UsageError
from identity_vault import roster
from identity_vault.audit import operator
from identity_vault.commands.opening import ConfigFile, PassphraseFile
from identity_vault.commands.whom import NumberFile, find_pupil, open_in_words, read_number
from identity_vault.fields import FieldError
from identity_vault.imports.allergens import ALLERGENS
from identity_vault.rights import corrections, erasure
from identity_vault.rights.wording import FIELD_NAMES, STATE_NAMES

corrections_app = typer.Typer(no_args_is_help=True, help="What guardians ask to have corrected.")
console = Console()


def erase(
    config_file: ConfigFile,
    number_file: NumberFile = None,
    passphrase_file: PassphraseFile = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="For scripts: do not ask to confirm.")] = False,
) -> None:
    """Delete a pupil: here at once, at the collector and on every gateway as soon as they ask.

    It cannot be undone. What remains is a receipt with counts and times, without a name.
    """
    with open_in_words(config_file, passphrase_file) as vault:
        number = read_number(number_file)
        with vault.read() as connection:
            try:
                pupil: roster.Pupil | None = find_pupil(vault, connection, number)
            except FieldError as error:
                pupil = None
                console.print(f"[yellow]![/] {error}; it can be deleted all the same", soft_wrap=True)
            names = roster.class_names(connection)
        if pupil is not None and not yes:
            _confirm(pupil, names.get(pupil.class_id, (pupil.class_id, ""))[0])
        elif not yes and not typer.confirm("删除 delete"):
            raise UsageError("nothing was deleted")
        with vault.begin() as connection:
            # By the number's index: a row that is damaged can be deleted, too, and imported anew.
            pupil_id = roster.find_pupil_id(vault, connection, number)
            if pupil_id is None:
                raise UsageError("the pupil was deleted meanwhile")
            code = erasure.erase(vault, connection, operator(), pupil_id)
        vault.database.forget_deleted()
    console.print(f"已删除 deleted; receipt {code}", highlight=False)
    console.print(
        f"See who has confirmed: campus vault receipt {config_file} {code}", soft_wrap=True, markup=False
    )


@corrections_app.command("list")
def list_(config_file: ConfigFile, passphrase_file: PassphraseFile = None) -> None:
    """Show what waits for a decision. Names people: mind who stands behind you."""
    with open_in_words(config_file, passphrase_file) as vault, vault.read() as connection:
        found = corrections.waiting(vault, connection)
        for one in found:
            pupil = roster.get_pupil(vault, connection, one.pupil)
            assert pupil is not None, "corrections go with their pupil"
            day = f"{datetime.fromtimestamp(one.made_ms / 1_000, vault.config.zone):%Y-%m-%d}"
            field = FIELD_NAMES[one.wish.field]
            console.print(
                f"{one.id}  {day}  {pupil.class_id}  {pupil.details.name}  {field.zh} → {_value(one.wish)}"
                f"  {one.receipt}",
                soft_wrap=True,
                markup=False,
                highlight=False,
            )
        if not found:
            console.print("没有待处理的更正 nothing waits")


@corrections_app.command()
def decide(
    config_file: ConfigFile,
    correction: Annotated[int, typer.Argument(help="Its number in the list.")],
    accept: Annotated[bool, typer.Option("--accept/--decline", help="Carry it out, or decline it.")],
    passphrase_file: PassphraseFile = None,
) -> None:
    """Decide on a correction after comparing it with the school's papers."""
    with open_in_words(config_file, passphrase_file) as vault, vault.begin() as connection:
        found = corrections.decide(vault, connection, operator(), correction, accept=accept)
        if found is None:
            raise UsageError(f"no correction {correction} waits; see: campus vault corrections list")
    state = STATE_NAMES["done" if accept else "declined"]
    console.print(f"{state.zh} {state.en}; receipt {found.receipt}", soft_wrap=True, highlight=False)


def _value(wish: corrections.Wish) -> str:
    if wish.field == "allergens":
        codes = [one for one in wish.value.split(",") if one]
        return "、".join(ALLERGENS[one][0] for one in codes) or "无"
    return wish.value


def _confirm(pupil: roster.Pupil, class_zh: str) -> None:
    """Raises UsageError unless class and last four characters of the number are typed."""
    console.print("将删除这名学生的全部数据，不能恢复。This deletes everything about the pupil for good.")
    # Brackets of either width.
    typed_class = normalize("NFKC", typer.prompt("班级（编号或名称） class, id or name")).strip()
    typed_number = typer.prompt("学号最后 4 位 last 4 characters of the student number")
    if typed_class not in {pupil.class_id, normalize("NFKC", class_zh)} or not erasure.is_confirmation(
        pupil.details, typed_number
    ):
        raise UsageError("class or number is not this pupil's; nothing was deleted")
