"""`campus vault export` and `campus vault receipt`."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from foundation.commands import UsageError, errors_in_words
from identity_vault import roster
from identity_vault.audit import operator
from identity_vault.commands.opening import ConfigFile, PassphraseFile
from identity_vault.commands.whom import NumberFile, find_pupil, open_in_words, read_number, reader
from identity_vault.rights import consents, export, orders, receipts, views
from identity_vault.rights.codes import CodeError, read_code
from identity_vault.vault import Vault

console = Console()

LOOK_S: Final = 1.0
TELL_S: Final = 15.0
Lang = Annotated[str, typer.Option("--lang", help="zh or en.")]


def export_pupil(
    config_file: ConfigFile,
    out: Annotated[Path, typer.Argument(help="A new folder, or a new file ending in .zip.")],
    wait_s: Annotated[
        float, typer.Option(min=0, max=86_400, help="How long to wait for the collector's records, seconds.")
    ] = 180,
    lang: Lang = "zh",
    number_file: NumberFile = None,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Write the copy of everything about a pupil that a guardian may have: data.json and index.html.

    Cards and phones stand there with their last digits only. The collector's records come when it asks
    the vault the next time; without them the copy is written as it is, and says so.
    """
    with open_in_words(config_file, passphrase_file) as vault:
        who, number = reader(vault, lang), read_number(number_file)
        if out.exists():
            raise UsageError(f"{out} exists already; name a new folder or .zip file")
        with vault.begin() as connection:
            pupil = find_pupil(vault, connection, number)
            order, code = export.begin(vault, connection, operator(), pupil.id)
        complete = _wait(vault, order, wait_s)
        with vault.read() as connection:
            if roster.get_pupil(vault, connection, pupil.id) is None:
                raise UsageError("the pupil was deleted meanwhile; there is nothing left to export")
            copy = export.collect(vault, connection, pupil.id, order, code)
        page = views.copy_page(copy, who, standalone=True).encode()
        _write(out, ((export.PAGE_NAME, page), (export.JSON_NAME, export.as_json(copy))))
    console.print(f"已写入 written: {out}; receipt {code}", soft_wrap=True, highlight=False, markup=False)
    if not complete:
        console.print(
            "采集服务器还没有回答 the collector has not answered: the copy has no records; run this again later",
            soft_wrap=True,
        )


def receipt(
    config_file: ConfigFile,
    code: Annotated[str, typer.Argument(help="The receipt's number, such as R-7K3M-9PXA-4C20.")],
    lang: Lang = "zh",
    passphrase_file: PassphraseFile = None,
) -> None:
    """Show what has become of a guardian's wish: what was done when, and who has confirmed it."""
    with errors_in_words():
        try:
            wanted = read_code(code)
        except CodeError as error:
            raise UsageError(str(error)) from error
        with open_in_words(config_file, passphrase_file) as vault, vault.read() as connection:
            who, found = reader(vault, lang), receipts.find(connection, wanted)
            if found is None:
                raise UsageError(f"no receipt has the number {wanted}")
            gateways = [one for each in consents.pending(connection, wanted) for one in each.gateways]
            console.print(f"{found.code}  {views.receipt_title(found, who)}", markup=False, highlight=False)
            for line, when in views.receipt_steps(found, gateways, who):
                console.print(
                    f"  {line}{'  ' if when else ''}{when}", soft_wrap=True, markup=False, highlight=False
                )
            for gateway, confirmed_ms in found.detail.gateways.items():
                console.print(f"    {gateway}  {who.time(confirmed_ms)}", markup=False, highlight=False)
            for gateway in gateways:
                console.print(f"    {gateway}  …", markup=False, highlight=False)


def _wait(vault: Vault, order: str, wait_s: float) -> bool:
    """Whether the collector has answered."""
    began = time.monotonic()
    told = began - TELL_S
    while True:
        with vault.read() as connection:
            if orders.answer(vault, connection, order).records is not None:
                return True
        now = time.monotonic()
        if now - began >= wait_s:
            return False
        if now - told >= TELL_S:
            told = now
            console.print(f"等待采集服务器 waiting for the collector … {now - began:.0f} s", highlight=False)
        time.sleep(min(LOOK_S, max(0.0, wait_s - (now - began))))


def _write(out: Path, files: tuple[tuple[str, bytes], ...]) -> None:
    """Readable by the owner only. Raises UsageError."""
    try:
        if out.suffix.lower() == ".zip":
            _write_file(out, export.as_zip(files))
            return
        out.mkdir(mode=0o700, parents=True)
        for name, content in files:
            _write_file(out / name, content)
    except OSError as error:
        raise UsageError(f"{out} cannot be written: {error.strerror}; name another place") from error


def _write_file(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
