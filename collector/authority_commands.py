"""`campus collector authority …`: the school's certificate authority by hand."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from collector.command_records import files_in_words, opened_records
from collector.config import load_config
from collector.enrolment.authority import AuthorityError, write_pair
from collector.enrolment.opening import open_authority, open_registrar
from collector.intake.http_callers import fingerprint_of
from collector.intake.line import wall_ms
from foundation.commands import UsageError
from foundation.keyfiles import load_signing_key
from foundation.oserrors import why

app = typer.Typer(
    no_args_is_help=True, help="The certificate authority that signs gateways' certificates: its files."
)
console = Console()

ConfigFile = Annotated[
    Path, typer.Argument(help="The collector's configuration, see collector/collector.sample.toml.")
]


@app.command()
def init(config_file: ConfigFile) -> None:
    """Make the authority, if there is none yet, and show it. A collector does so at its start too."""
    with files_in_words():
        config = load_config(config_file)
        with opened_records(config_file) as records:
            key = load_signing_key(config.collector.key_file)
            registrar = open_registrar(config, key, records, wall_ms)
            authority = registrar.authority
            try:
                records.run_now(partial(registrar.renew_crl, now_ms=wall_ms()))
            except OSError as error:
                raise UsageError(f"{authority.crl_file} cannot be written: {why(error)}") from error
    until = authority.certificate.not_valid_after_utc
    _say(
        f"✓ {authority.certificate_file}, until {until:%Y-%m-%d}, SHA-256 {fingerprint_of(authority.certificate).hex()}"
    )
    _say(f"  revoked certificates: {authority.crl_file}")
    _say(f"  备份 keep a copy of {authority.certificate_file.with_suffix('.key')} where nobody finds it")


@app.command()
def server(
    config_file: ConfigFile,
    names: Annotated[list[str], typer.Argument(help="Host names and addresses by which it is reached.")],
    out: Annotated[Path, typer.Option(help="The folder for server.key and server.pem.")],
    *,
    renew: Annotated[bool, typer.Option("--renew", help="In the place of those that are there.")] = False,
) -> None:
    """Make key and certificate of a server of the school, such as [intake_http]. They are good for 400 days.

    A broker's are made by: campus collector broker files.
    """
    with files_in_words():
        authority = open_authority(load_config(config_file), wall_ms())
        try:
            key, certificate = authority.issue_own(names[0], names, "server", wall_ms())
            key_file, certificate_file = write_pair(out, "server", key, certificate, renew=renew)
        except (ValueError, AuthorityError) as error:
            raise UsageError(str(error)) from error
        except OSError as error:
            raise UsageError(f"{out} cannot be written: {why(error)}") from error
    _say(f'✓ cert_file = "{certificate_file}"')
    _say(f'  key_file = "{key_file}"')
    _say(f"  until {certificate.not_valid_after_utc:%Y-%m-%d}")


def _say(text: str) -> None:
    console.print(text, soft_wrap=True, markup=False, highlight=False)
