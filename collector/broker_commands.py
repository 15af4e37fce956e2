"""`campus collector broker …`: the files of the broker between gateways and collector."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from collector.broker_files import BrokerFiles, Pair
from collector.config import CollectorConfig, load_config
from collector.enrolment.authority import Authority, AuthorityError
from collector.intake.line import wall_ms
from foundation.commands import UsageError, errors_in_words

app = typer.Typer(
    no_args_is_help=True, help="The broker (Mosquitto) by which gateways reach this collector: its files."
)
console = Console()

ConfigFile = Annotated[
    Path, typer.Argument(help="The collector's configuration, see collector/collector.sample.toml.")
]
Out = Annotated[Path, typer.Option(help="The folder from which the broker reads them.")]
Names = Annotated[
    list[str] | None,
    typer.Option("--name", help="Another name or address of the broker; can be given more than once."),
]
BrokerUser = Annotated[
    str | None, typer.Option(help="Who runs the broker and may read its key, such as mosquitto; needs root.")
]


@app.command("files")
def files(
    config_file: ConfigFile,
    out: Out,
    name: Names = None,
    broker_user: BrokerUser = None,
) -> None:
    """Write mosquitto.conf, access list and certificates. Keys and certificates that are good stay."""
    with errors_in_words():
        config = load_config(config_file)
        made = _made(config, out, name, broker_user)
        written = made.write(wall_ms())
    _say(f"✓ {out}: {', '.join(written)}")
    if config.mqtt is None or config.mqtt.certificate_file is None:
        _say("下一步 next, in collector.toml:\n")
        _say(made.section())
    _say(f"下一步 next: mosquitto -c {out.absolute()}/mosquitto.conf; 见 see {out}/README.md")


@app.command("refresh")
def refresh(
    config_file: ConfigFile,
    out: Out,
    name: Names = None,
    broker_user: BrokerUser = None,
) -> None:
    """Bring what ends up to date: the list of revoked certificates, and certificates that end within 60 days.

    After it the broker has to read them: systemctl reload mosquitto.
    """
    with errors_in_words():
        made = _made(load_config(config_file), out, name, broker_user)
        if not (out / "mosquitto.conf").is_file():
            raise UsageError(f"there is no {out}/mosquitto.conf; run first: campus collector broker files")
        written = made.refresh(wall_ms())
    _say(f"✓ {', '.join(written)}" if written else "✓ 无变化 nothing to be done")


def _made(
    config: CollectorConfig, out: Path, names: list[str] | None, broker_user: str | None
) -> BrokerFiles:
    section, mqtt = config.enrolment, config.mqtt
    if section is None or section.authority_dir is None:
        raise UsageError("without [enrolment] there is no authority to sign certificates; see docs/broker.md")
    hosts = [*([section.mqtt.host] if section.mqtt else []), *([mqtt.host] if mqtt else []), *(names or [])]
    if not hosts:
        raise UsageError(
            'nothing says how gateways reach the broker: give --name, or [enrolment] mqtt = { host = "…" }'
        )
    if not section.authority_dir.is_dir():
        # Not made here: this runs as root, and the collector has to read it.
        raise UsageError(f"there is no {section.authority_dir} yet; run: campus collector authority init")
    try:
        authority = Authority.load(section.authority_dir)
    except AuthorityError as error:
        raise UsageError(str(error)) from error
    return BrokerFiles(
        authority,
        out,
        list(dict.fromkeys(hosts)),
        port=section.mqtt.port if section.mqtt else 8883,
        collector=_collector_pair(config, out),
        broker_user=broker_user,
    )


def _collector_pair(config: CollectorConfig, out: Path) -> Pair:
    """Where [mqtt] says, for whoever has the collector's own key."""
    try:
        found = config.collector.key_file.stat()
    except OSError as error:
        raise UsageError(f"{config.collector.key_file} cannot be read: {error.strerror}") from error
    owner, mqtt = (found.st_uid, found.st_gid), config.mqtt
    if mqtt and mqtt.certificate_file and mqtt.key_file:
        return Pair(mqtt.certificate_file, mqtt.key_file, owner)
    return Pair(out.absolute() / "collector.pem", out.absolute() / "collector.key", owner)


def _say(text: str) -> None:
    console.print(text, soft_wrap=True, markup=False, highlight=False)
