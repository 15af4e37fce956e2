"""`campus vault …`: the commands of the identity vault."""

from __future__ import annotations

import typer

from identity_vault.commands import (
    audit,
    consent,
    erase,
    export,
    gateway,
    guardian,
    import_lists,
    init,
    rotate,
    run,
)

app = typer.Typer(
    no_args_is_help=True,
    help="The identity vault: the only place that knows names and keys. Begin with `campus vault init`.",
)

app.command()(init.init)
app.command()(init.keys)
app.command()(init.passphrase)
app.command()(run.run)
app.command()(rotate.rotate)
app.command()(rotate.epochs)
app.command()(rotate.case)
app.add_typer(audit.app, name="audit")
app.add_typer(import_lists.app, name="import")
app.add_typer(consent.app, name="consent")
app.command("export")(export.export_pupil)
app.command()(export.receipt)
app.command()(erase.erase)
app.add_typer(erase.corrections_app, name="corrections")
app.add_typer(guardian.app, name="guardian")
app.add_typer(gateway.app, name="gateway")
