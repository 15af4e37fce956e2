"""`campus gateway …`: how this gateway becomes known to a collector, and stays so."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import time
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from rich.console import Console
from rich.markup import escape

from edge_agent.config import GatewayConfig, load_config
from edge_agent.enrolment.certificates import read_certificate
from edge_agent.enrolment.contact import EnrolmentAwayError, EnrolmentRefusedError, parse_collector
from edge_agent.enrolment.enrol import Enrolled, enrol
from edge_agent.enrolment.rotate import rotate
from edge_agent.enrolment.vault_key import tell_vault
from edge_agent.folderlock import folder_locked
from edge_agent.identity.map_file import MapFile, MapFileError
from foundation.commands import UsageError, errors_in_words
from foundation.keyfiles import load_signing_key, public_text
from telemetry import enrolment
from telemetry.envelope import key_id

app = typer.Typer(
    no_args_is_help=True, help="This gateway and its collector: enrol once, rotate keys, show the status."
)
console = Console()

Outcome = TypeVar("Outcome")
ConfigFile = Annotated[Path, typer.Argument(help="The gateway's configuration, as `enrol` wrote it.")]


@app.command("enrol")
def enrol_command(
    collector: Annotated[
        str,
        typer.Argument(
            help="Host, host:port or https://… of the collector's port for gateways, 8421 unless given."
        ),
    ],
    code: Annotated[
        str | None,
        typer.Option(
            help="The code on the collector's screen, such as K7QM-3XWD. Left out, it is asked for."
        ),
    ] = None,
    folder: Annotated[
        Path,
        typer.Option(
            "--folder",
            help="Where gateway.toml and the keys are to be; made if only its last part is missing.",
        ),
    ] = Path(),
    ca_file: Annotated[
        Path | None,
        typer.Option(help="Who must have signed the collector's certificate, besides the proof by the code."),
    ] = None,
    *,
    keep_key: Annotated[
        bool, typer.Option("--keep-key", help="Keep the signing key that gateway.toml names already.")
    ] = False,
) -> None:
    """Make this gateway known to a collector, with a code that is good once and for 15 minutes.

    Makes keys, gets a certificate and writes gateway.toml. A file that is there keeps its devices: only the tables
    gateway and collector are replaced, and a copy is kept as gateway.toml.before-enrolment. It can be repeated.
    """
    with errors_in_words():
        try:
            target = parse_collector(collector)
        except ValueError as error:
            raise UsageError(f"采集端地址不对 COLLECTOR {error}") from error
        if ca_file is not None and not ca_file.is_file():
            raise UsageError(f"--ca-file: 没有这个文件 there is no {ca_file}")
        given = code if code is not None else typer.prompt("注册码 Code")
        try:
            good_code = enrolment.parse_code(given)
        except ValueError as error:
            raise UsageError(
                f"--code: 注册码是 8 位字母和数字，没有 0、1、I、L、O，请再看一遍 {error}"
            ) from error
        working = enrol(
            target,
            good_code,
            folder,
            ca_file=ca_file,
            keep_key=keep_key,
            now=_now,
            say=lambda text: _say(f"· {text}"),
        )
        done = _outcome(working)
        if _vouched(done):
            done = done._replace(vault_word="")
            _say("· 保险库已登记新密钥 the vault knows the new key")
    _tell(done)


def _vouched(done: Enrolled) -> bool:
    """Whether the vault has taken the new key from who has the old one: the same box enrolled anew."""
    config = load_config(done.path)
    if done.old_key is None or done.vault_word != "replace" or config.personal is None:
        return False
    new_key = load_signing_key(config.gateway.key_file)
    return not asyncio.run(tell_vault(config, config.personal, done.old_key, new_key))


def _tell(done: Enrolled) -> None:
    answer = done.answer
    _say(f"✓ 已注册 enrolled: {answer.school}/{answer.gateway}")
    _say(f"✓ 证书有效期至 certificate good until {done.certificate.not_after:%Y-%m-%d}")
    _say(
        f"✓ {done.path}"
        + (" (原有设备保留 devices kept; 备份 copy: .before-enrolment)" if done.kept_devices else "")
    )
    if done.left:
        _say(f"! 原网关未发送的数据仍在此处 what the gateway of before has not sent stays in {done.left}")
    if done.other_vault:
        _say("! [personal] 未改 left as it is, but the collector names another vault: " + str(answer.vault))
    if done.vault_word:
        _say("下一步 next, where the vault is:")
        _say(f"  campus vault gateway {done.vault_word} vault.toml {answer.gateway} {done.public_key}")
    untimely = done.certificate.untimely(_now())
    if untimely:
        _say(f"✗ 请校准时钟 set this gateway's clock (timedatectl); its certificate: {untimely}")
    _say("然后 then:" if done.vault_word else "下一步 next:")
    _say(f"  campus edge check {done.path}")
    again = "   # 正在运行的请重启 one that runs: start it again" if done.kept_devices else ""
    _say(f"  campus edge run {done.path}{again}")
    if untimely:
        raise typer.Exit(1)


@app.command("rotate")
def rotate_command(
    config_file: ConfigFile,
    *,
    certificate_only: Annotated[
        bool, typer.Option("--certificate-only", help="Keep the signing key: the vault need not be told.")
    ] = False,
) -> None:
    """Change this gateway's keys and certificate, over the collector's HTTPS port. Stop the gateway first.

    What waits in the buffer is signed when it is sent, so with the new key. A certificate that ends in less than
    60 days the running gateway renews by itself.
    """
    with errors_in_words():
        config = load_config(config_file)
        old_key = load_signing_key(config.gateway.key_file)
        with _standing_still(config):
            done = _outcome(rotate(config, signing_key=not certificate_only, now_ms=_now_ms))
            kept = not certificate_only and _rewrite_map(config, old_key, done.signing_key)
            unknown = ""
            if config.personal and not certificate_only:
                unknown = asyncio.run(tell_vault(config, config.personal, old_key, done.signing_key))
    _say(f"✓ 证书有效期至 certificate good until {done.certificate.not_after:%Y-%m-%d}")
    if not certificate_only:
        public = done.signing_key.public_key()
        _say(f"✓ 新密钥 new key: {_spoken(key_id(public))}")
        if config.personal and not unknown:
            _say("✓ 保险库已登记新密钥 the vault knows the new key")
        elif config.personal:
            _say(f"! 保险库没有登记新密钥 the vault does not know the new key: {unknown}")
            _say(
                "  请在那里登记 tell it there"
                + ("; until then the map of before is used, for 7 days at most:" if kept else ":")
            )
            _say(f"  campus vault gateway replace vault.toml {config.gateway.id} {public_text(public)}")
    _say(f"下一步 next:\n  campus edge run {config_file}")


@app.command()
def status(config_file: ConfigFile) -> None:
    """Show collector, key (for reading out over the phone) and how long the certificate is good.

    Exit code 1: the certificate cannot be used now.
    """
    with errors_in_words():
        config = load_config(config_file)
        public = load_signing_key(config.gateway.key_file).public_key()
        file = config.collector.certificate_file
        certificate = read_certificate(file) if file else None
    _say(f"网关 gateway       {config.gateway.school}/{config.gateway.id}")
    collector = config.collector
    if collector.mqtt:
        _say(f"采集端 collector   mqtt{'s' if collector.mqtt.ca_file else ''}://{collector.mqtt.address}")
    if collector.https:
        _say(f"采集端 collector   {collector.https.url}")
    _say(f"密钥 key           {_spoken(key_id(public))}")
    _say(f"公钥 public key    {public_text(public)}")
    if certificate is None:
        _say("证书 certificate   无 none: the collector asks for none, or this gateway was not enrolled")
        return
    now = _now()
    _say(f"证书 certificate   {certificate.name}, SHA-256 {certificate.fingerprint.hex(':', 2).upper()}")
    untimely = certificate.untimely(now)
    if untimely:
        _say(f"✗ 证书不可用 it cannot be used: {untimely}; 本机时钟 this clock: {now:%Y-%m-%d %H:%M} UTC")
        raise typer.Exit(1)
    days = int(certificate.days_left(now))
    _say(f"有效期至 good until {certificate.not_after:%Y-%m-%d} (剩 {days} 天 {days} days left)")


@contextlib.contextmanager
def _standing_still(config: GatewayConfig) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(folder_locked(config.gateway.data_dir))
        except UsageError as error:
            raise UsageError(f"{error}. Keys are changed while the gateway stands still") from None
        yield


def _map_under(config: GatewayConfig, key: Ed25519PrivateKey) -> MapFile:
    gateway = config.gateway
    return MapFile(gateway.data_dir, key, gateway.school, gateway.id)


def _rewrite_map(config: GatewayConfig, old_key: Ed25519PrivateKey, new_key: Ed25519PrivateKey) -> bool:
    """The credential map under the new key, without which it could not be read; whether there is one."""
    try:
        found = _map_under(config, old_key).read()
        if found is not None:
            _map_under(config, new_key).write(found)
    except MapFileError:
        return False
    return found is not None


def _outcome(working: Coroutine[Any, Any, Outcome]) -> Outcome:
    """Of an exchange. One that fails is said in words, with exit code 1."""
    try:
        return asyncio.run(working)
    except (EnrolmentRefusedError, EnrolmentAwayError) as error:
        Console(stderr=True).print(f"[red]✗[/] {escape(str(error))}", soft_wrap=True, highlight=False)
        raise typer.Exit(1) from None


def _spoken(id_: bytes) -> str:
    """The short name of a key, in groups that can be read out over the phone."""
    return id_.hex(" ", 2)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _say(text: str) -> None:
    console.print(text, soft_wrap=True, markup=False, highlight=False)
