"""`campus vault gateway add|list|revoke|replace|check`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Final

import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from rich.console import Console
from sqlalchemy import Connection, select

from foundation.commands import UsageError, errors_in_words
from foundation.keyfiles import parse_public
from identity_vault.audit import operator, record
from identity_vault.commands.opening import ConfigFile, PassphraseFile, open_from
from identity_vault.database.engine import VaultUnavailableError
from identity_vault.database.tables import orders as orders_table
from identity_vault.exchange.registry import (
    Gateway,
    RegistryError,
    add_gateway,
    all_gateways,
    replace_gateway,
    revoke_gateway,
)
from identity_vault.fields import FieldError
from identity_vault.maps.builder import parse_purposes
from identity_vault.maps.people import PseudonymCache, Snapshot, load_snapshot
from identity_vault.rights.orders import close_finished
from identity_vault.roster import map_version
from identity_vault.vault import Vault
from telemetry.purposes import PURPOSE_NAMES, Purpose
from telemetry.topics import IDENTIFIER

app = typer.Typer(no_args_is_help=True, help="Which gateways get credential maps, and how far they are.")
console = Console()

RECEIPTS_SHOWN: Final = 10
_MS_PER_S: Final = 1_000

GatewayId = Annotated[str, typer.Argument(metavar="GATEWAY", help="The gateway's id, as in gateway.toml.")]
PublicKey = Annotated[
    str, typer.Argument(metavar="PUBLIC_KEY", help="The key that `campus edge keygen` printed.")
]


@app.command()
def add(
    config_file: ConfigFile,
    gateway: GatewayId,
    public_key: PublicKey,
    purposes: Annotated[
        str, typer.Option(help="What it may have pseudonyms for, with commas between; left out, everything.")
    ] = ",".join(PURPOSE_NAMES),
    passphrase_file: PassphraseFile = None,
) -> None:
    """Let a gateway have a credential map. A running vault knows it at once."""
    with errors_in_words():
        key, wanted = _key(public_key), _purposes(purposes)
        if not IDENTIFIER.fullmatch(gateway):
            raise UsageError(
                f"GATEWAY {gateway!r}: use 1 to 63 lower-case letters, digits, - or _, such as gw-301"
            )
        with open_from(config_file, passphrase_file) as vault, _change(vault) as connection:
            add_gateway(connection, gateway, key, wanted, vault.now_ms())
            record(
                vault,
                connection,
                actor=operator(),
                action="gateway_add",
                gateway=gateway,
                purposes=list(wanted),
            )
    _say(f"✓ {gateway} 可领取名册 may have a map: {', '.join(wanted)}")


@app.command()
def replace(
    config_file: ConfigFile,
    gateway: GatewayId,
    public_key: PublicKey,
    purposes: Annotated[
        str | None, typer.Option(help="What it may have pseudonyms for; left out, as before.")
    ] = None,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Another device in the place of a gateway, say of one that was stolen.

    The old key gets nothing any more, and the new map is blinded anew: the old one leads nowhere in it.
    """
    with errors_in_words():
        key, wanted = _key(public_key), None if purposes is None else _purposes(purposes)
        with open_from(config_file, passphrase_file) as vault, _change(vault) as connection:
            generation = replace_gateway(connection, gateway, key, wanted, vault.now_ms())
            record(
                vault,
                connection,
                actor=operator(),
                action="gateway_replace",
                gateway=gateway,
                generation=generation,
            )
    _say(f"✓ {gateway} 已更换 replaced, generation {generation}")


@app.command()
def revoke(config_file: ConfigFile, gateway: GatewayId, passphrase_file: PassphraseFile = None) -> None:
    """Give a gateway no map any more. What it has is believed for seven days at most."""
    with (
        errors_in_words(),
        open_from(config_file, passphrase_file) as vault,
        _change(vault) as connection,
    ):
        revoke_gateway(connection, gateway)
        record(vault, connection, actor=operator(), action="gateway_revoke", gateway=gateway)
        # Deletions no longer wait for it.
        close_finished(vault, connection)
    _say(f"✓ {gateway} 已停用 revoked")


@app.command("list")
def list_(config_file: ConfigFile, passphrase_file: PassphraseFile = None) -> None:
    """Show all gateways: which map each works with, and which withdrawals it has not confirmed."""
    with errors_in_words(), open_from(config_file, passphrase_file) as vault:
        with _reading(vault) as connection:
            found, latest = all_gateways(connection), map_version(connection)
            waiting = _withdrawals(connection)
        rows: list[tuple[str, ...]] = [
            (
                "网关 gateway",
                "状态 state",
                "用途 purposes",
                "代 gen.",
                "名册版本 map",
                "确认 confirmed",
                "联系 asked",
            )
        ]
        rows += [_row(one, latest, vault.now_ms()) for one in found]
        _say_table(rows)
        if not found:
            _say("没有网关 no gateway yet; see: campus vault gateway add")
        for one in found:
            behind = [code for code, version in waiting.items() if version > one.confirmed_version]
            if one.state == "active" and behind:
                shown = ", ".join(behind[:RECEIPTS_SHOWN])
                more = f" … +{len(behind) - RECEIPTS_SHOWN}" if len(behind) > RECEIPTS_SHOWN else ""
                _say(f"! {one.id} 尚未确认撤回 has not confirmed {len(behind)} withdrawals: {shown}{more}")


@app.command()
def check(config_file: ConfigFile, passphrase_file: PassphraseFile = None) -> None:
    """Show what maps would hold now, and which cards cannot be told from another pupil's.

    Exits with 1 where a pupil cannot be found by any credential as it is registered, or a row is damaged.
    """
    with errors_in_words(), open_from(config_file, passphrase_file) as vault:
        try:
            with _reading(vault) as connection:
                found = load_snapshot(vault, connection, PseudonymCache(vault))
        except FieldError as error:
            raise UsageError(f"there would be no map: {error}") from error
        for line in _findings(found):
            _say(line)
    if found.unreachable or found.damaged:
        raise typer.Exit(1)


def _findings(found: Snapshot) -> Iterator[str]:
    lessons = sum(map(len, found.lessons.values()))
    yield (
        f"版本 version {found.version}, 学年 epoch {found.epoch}: {len(found.people):,} 人 people, "
        f"{len(found.credentials):,} 卡号写法 notations of credentials, {lessons:,} 节课 lessons"
    )
    for length, count in sorted(found.ambiguous.items()):
        what = f"{length} 字节卡号 bytes of a card" if length else "手环或设备编号 bands or station numbers"
        yield f"! {count:,} × {what}: 两名学生相同，均不识别 of two pupils, and so of neither"
    if found.unreachable:
        yield (
            f"! {found.unreachable:,} 名学生的卡均与他人混淆 pupils have no card of their own among readers; "
            "import the cards' whole numbers, or give them other cards"
        )
    yield from (f"! {one}; 请从备份恢复 restore the vault from its backup" for one in found.damaged)


def _row(one: Gateway, latest: int, now_ms: int) -> tuple[str, ...]:
    state = {"active": "使用中 active", "revoked": "已停用 revoked"}[one.state]
    if not one.confirmed_version:
        version = "无 none"
    elif one.confirmed_version == latest:
        version = f"{one.confirmed_version} 最新 latest"
    else:
        version = f"{one.confirmed_version} / {latest} 落后 behind"
    return (
        one.id,
        state,
        one.purposes,
        str(one.generation),
        version,
        _age(one.confirmed_ms, now_ms),
        _age(one.asked_ms, now_ms),
    )


def _age(at_ms: int | None, now_ms: int) -> str:
    if at_ms is None:
        return "–"
    age_s = max(0, now_ms - at_ms) // _MS_PER_S
    for size_s, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if age_s >= size_s:
            return f"{age_s // size_s} {unit}"
    return f"{age_s} s"


def _withdrawals(connection: Connection) -> Mapping[str, int]:
    """The map's version by receipt, of withdrawals and deletions that are not confirmed by all."""
    query = select(orders_table.c.receipt, orders_table.c.map_version).where(
        orders_table.c.kind == "erase", orders_table.c.closed_ms.is_(None)
    )
    return {str(code): int(version) for code, version in connection.execute(query)}


def _key(text: str) -> Ed25519PublicKey:
    try:
        return parse_public(text)
    except ValueError as error:
        raise UsageError(f"PUBLIC_KEY: {error}") from error


def _purposes(text: str) -> tuple[Purpose, ...]:
    try:
        found = parse_purposes(text)
    except ValueError as error:
        raise UsageError(f"--purposes: {error}") from error
    if not found:
        raise UsageError(f"--purposes: name at least one of {', '.join(PURPOSE_NAMES)}")
    return found


@contextmanager
def _change(vault: Vault) -> Iterator[Connection]:
    try:
        with vault.begin() as connection:
            yield connection
    except RegistryError as error:
        raise UsageError(str(error)) from error
    except VaultUnavailableError as error:
        raise UsageError(f"the vault's database cannot be used now: {error}; try again") from error


@contextmanager
def _reading(vault: Vault) -> Iterator[Connection]:
    try:
        with vault.read() as connection:
            yield connection
    except VaultUnavailableError as error:
        raise UsageError(f"the vault's database cannot be used now: {error}; try again") from error


def _say(line: str) -> None:
    console.print(line, soft_wrap=True, markup=False, highlight=False)


def _say_table(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True))
        _say("  ".join(cells).rstrip())


def _width(text: str) -> int:
    """In columns of a terminal: Chinese signs take two."""
    return sum(2 if sign > "\u2e80" else 1 for sign in text)
