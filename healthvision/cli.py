"""``healthvision``: the command line. Each command is a thin door; what it does stands in a module of its own.

Exit codes: 0 done; 1 the work failed (no report, a rejected image); 2 wrong usage or a wrong setting; 130 stopped
by Ctrl-C.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from healthvision import settings as settings_module
from healthvision.errors import SettingsError
from healthvision.settings import KeycloakSettings, Settings

_S = TypeVar("_S")

app = typer.Typer(
    name="healthvision",
    help="The FHIR R4 server between hospital records and imaging AI.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
models_app = typer.Typer(help="The models that this installation can run.", no_args_is_help=True)
app.add_typer(models_app, name="models")
ig_app = typer.Typer(
    help="Implementation guides: profiles, value sets and code systems.", no_args_is_help=True
)
app.add_typer(ig_app, name="ig")
token_app = typer.Typer(
    help="Signed tokens that open just what they say, for apps and tests without an authorization server.",
    no_args_is_help=True,
)
app.add_typer(token_app, name="token")

audit_app = typer.Typer(
    help="The audit: whether it is what it was, and proofs of what is in it.", no_args_is_help=True
)
app.add_typer(audit_app, name="audit")

keycloak_app = typer.Typer(
    help="The realm that a Keycloak keeps for this server: users, apps, workers.",
    no_args_is_help=True,
)
app.add_typer(keycloak_app, name="keycloak")

console = Console()
errors = Console(stderr=True)

Host = Annotated[str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")]
Port = Annotated[
    int | None,
    typer.Option(min=0, max=65535, help="Port; 0 takes a free one.", show_default="8000"),
]
DataDir = Annotated[
    Path | None, typer.Option(help="Folder of the embedded store.", show_default="data")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a script to read.")]


def _settings(**overrides: object) -> Settings:
    return _read(lambda: settings_module.load(**overrides))


def _read(load: Callable[[], _S]) -> _S:
    try:
        return load()
    except SettingsError as error:
        errors.print(f"[red]{error}[/red]", highlight=False)
        raise typer.Exit(2) from None


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(installed_version("healthvision"))
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    pass


@app.command()
def serve(
    host: Host = None,
    port: Port = None,
    data_dir: DataDir = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="API processes.")] = 1,
    worker: Annotated[bool, typer.Option(help="Run an inference worker beside the server.")] = True,
) -> None:
    """Run the server, and its worker, in the foreground until SIGTERM or Ctrl-C."""
    from healthvision.serve import serve as run

    raise typer.Exit(
        run(
            _settings(host=host, port=port, data_dir=data_dir),
            api_processes=workers,
            with_worker=worker,
        )
    )


@app.command()
def worker(
    url: Annotated[
        str | None, typer.Option(help="FHIR base URL of the server whose Tasks this worker does.")
    ] = None,
    engine: Annotated[
        settings_module.EngineChoice | None, typer.Option(help="Engine that runs the models.")
    ] = None,
    supervised: Annotated[
        bool, typer.Option("--supervised", hidden=True, help="End when standard input ends.")
    ] = False,
) -> None:
    """Run an inference worker in the foreground: claim Tasks, analyse, report.

    The credential is the key in HEALTHVISION_WORKER_KEY_FILE, for which the worker gets tokens where the server's
    .well-known/smart-configuration says (its client there is HEALTHVISION_WORKER_CLIENT_ID); without one,
    HEALTHVISION_WORKER_TOKEN. `healthvision keycloak keypair` makes a key.
    """
    from healthvision.work import work

    raise typer.Exit(work(_settings(engine=engine), url, supervised=supervised))


@app.command(hidden=True)
def api(socket_fd: Annotated[int, typer.Option(help="Listening socket, inherited.")]) -> None:
    """Run one API process on a socket that ``serve`` opened."""
    from healthvision.api_process import run

    run(_settings(), socket_fd)


@app.command()
def demo(
    port: Port = None,
    data_dir: DataDir = None,
    keep_serving: Annotated[
        bool, typer.Option("--keep-serving", help="Go on serving after the report.")
    ] = False,
) -> None:
    """Start everything, analyse a real chest radiograph as an EHR would ask for it, print what was found."""
    from healthvision.demo import demo as run

    raise typer.Exit(run(_settings(port=port, data_dir=data_dir), keep_serving=keep_serving))


@app.command()
def analyze(
    files: Annotated[
        list[Path],
        typer.Argument(
            exists=True, dir_okay=False, readable=True, help="DICOM, NIfTI, JPEG, PNG, TIFF."
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help="Folder for report JSON and heat map PNG of each file.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Model to run; else the one that fits.")] = None,
    as_json: AsJson = False,
) -> None:
    """Analyse image files without a server. Exit code 1 if any of them got no answer."""
    from healthvision.analyze import analyze as run

    raise typer.Exit(
        run(_settings(), files, out=out, model=model, as_json=as_json, console=console)
    )


@app.command()
def reindex(
    types: Annotated[
        list[str] | None, typer.Argument(help="Resource types; all where none is named.")
    ] = None,
    host: Host = None,
    port: Port = None,
) -> None:
    """Index again what a running server stored before a SearchParameter, or by an older version.

    The credential is HEALTHVISION_TOKEN. Exit code 1 if the server refuses.
    """
    from healthvision.reindex import reindex as run

    raise typer.Exit(run(_settings(host=host, port=port), types or (), console, errors))


@models_app.command("list")
def models_list(*, as_json: AsJson = False) -> None:
    """List the models."""
    from healthvision.model_listing import list_models

    list_models(console, as_json=as_json)


@models_app.command("show")
def models_show(
    name: Annotated[str, typer.Argument(help="As `healthvision models list` names it.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Show one model's card."""
    from healthvision.model_listing import show_model

    raise typer.Exit(show_model(console, name, as_json=as_json))


@ig_app.command("add")
def ig_add(
    file: Annotated[
        Path,
        typer.Argument(
            exists=True, readable=True, help="A FHIR package (.tgz), or a folder of JSON files."
        ),
    ],
    data_dir: DataDir = None,
) -> None:
    """Check a guide and keep a copy of it beside the data; the server uses it from its next start."""
    from healthvision.guides import add_guide

    raise typer.Exit(add_guide(_settings(data_dir=data_dir), file))


@ig_app.command("list")
def ig_list(*, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List the guides that the server uses."""
    from healthvision.guides import list_guides

    raise typer.Exit(list_guides(_settings(data_dir=data_dir), console, as_json=as_json))


@keycloak_app.command("bootstrap")
def keycloak_bootstrap(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only tell what would be made or mended.")
    ] = False,
    type: Annotated[
        list[str] | None,
        typer.Option(help="A further resource type to make scopes of; may be repeated."),
    ] = None,
) -> None:
    """Make or mend the realm: clients, scopes, mappers, roles, brakes and lifespans. A second run changes nothing.

    Where Keycloak is and what it is told are settings (HEALTHVISION_KEYCLOAK_…, see `healthvision settings`): the
    administrator's secret is HEALTHVISION_KEYCLOAK_ADMIN_SECRET or the file HEALTHVISION_KEYCLOAK_ADMIN_SECRET_FILE.
    The audience of tokens is HEALTHVISION_BASE_URL with /fhir. What else is in the realm stays as it is.
    Exit code 1 if Keycloak refuses or cannot be reached.
    """
    from healthvision.keycloak.command import bootstrap_realm

    keycloak = _read(settings_module.load_keycloak)
    raise typer.Exit(
        bootstrap_realm(
            _settings(), keycloak, type or (), dry_run=dry_run, console=console, errors=errors
        )
    )


PublicKey = Annotated[
    str | None,
    typer.Option(
        "--public-key", help="Key that signed it, in hexadecimal; else the one beside the data."
    ),
]


@audit_app.command("deliver", hidden=True)
def audit_deliver() -> None:
    """Deliver accesses to the audit, as a child of ``serve``."""
    from healthvision.audit import run_delivery

    run_delivery(_settings())


@audit_app.command("verify")
def audit_verify(
    checkpoints: Annotated[
        Path | None, typer.Option(help="Checkpoints that were kept elsewhere (NDJSON).")
    ] = None,
    proof: Annotated[
        Path | None, typer.Option(help="Look at this proof of `audit prove` instead.")
    ] = None,
    public_key: PublicKey = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Look at every event, block and checkpoint; name what was changed, removed, moved or added.

    Exit code 1 if there is anything, 2 if the audit cannot be read.
    """
    from healthvision.audit_commands import verify_audit, verify_proof

    settings = _settings(data_dir=data_dir)
    if proof is not None:
        raise typer.Exit(verify_proof(settings, proof, public_key))
    raise typer.Exit(verify_audit(settings, console, checkpoints, public_key, as_json=as_json))


@audit_app.command("prove")
def audit_prove(
    id: Annotated[str, typer.Argument(help="Id of the AuditEvent.")], data_dir: DataDir = None
) -> None:
    """Print a proof that an AuditEvent is part of the audit, which `audit verify --proof` checks without the others."""
    from healthvision.audit_commands import prove_event

    raise typer.Exit(prove_event(_settings(data_dir=data_dir), id))


@token_app.command("create")
def token_create(
    scope: Annotated[str, typer.Option(help="What it opens: SMART scopes with spaces between.")],
    client: Annotated[str, typer.Option(help="Who uses it; audit and logs name it.")] = "local",
    user: Annotated[str, typer.Option(help="The user here: Practitioner/ID or Patient/ID.")] = "",
    role: Annotated[
        list[str] | None,
        typer.Option(help="operator, worker, clinician, radiologist, auditor; may be repeated."),
    ] = None,
    patient: Annotated[str, typer.Option(help="Id of the Patient in context.")] = "",
    encounter: Annotated[str, typer.Option(help="Id of the Encounter in context.")] = "",
    purpose: Annotated[str, typer.Option(help="Purpose of use, such as TREAT or BTG.")] = "",
    expires: Annotated[str, typer.Option(help="After how long it ends: 45s, 30m, 1h, 7d.")] = "1h",
    host: Host = None,
    port: Port = None,
    data_dir: DataDir = None,
) -> None:
    """Print a new token for a server on this data folder; nothing else goes to standard output.

    The server names the issuer by its address: give the same settings, or options, as to `healthvision serve`.

    * An app that one patient's record is open in:
      `healthvision token create --scope 'patient/*.rs' --patient p1 --user Practitioner/1 --role radiologist > token`

    * A service that reads every study:
      `healthvision token create --scope 'system/ImagingStudy.rs' --client archive --role clinician --expires 7d > token`
    """
    from healthvision.tokens import create, grant_of

    grant = grant_of(
        client=client,
        scope=scope,
        expires=expires,
        roles=role or [],
        user=user,
        patient=patient,
        encounter=encounter,
        purpose=purpose,
    )
    raise typer.Exit(create(_settings(host=host, port=port, data_dir=data_dir), grant))


@token_app.command("show")
def token_show() -> None:
    """Print what a token says: `healthvision token show < token`. It is not checked."""
    from healthvision.tokens import show

    raise typer.Exit(show())


@token_app.command("revoke")
def token_revoke(
    jti: Annotated[
        str | None, typer.Argument(help="The token's id (jti); else the token is read from stdin.")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """End a token before its time, at once in every process: `healthvision token revoke < token`."""
    from healthvision.tokens import revoke

    raise typer.Exit(revoke(_settings(data_dir=data_dir), jti))


@keycloak_app.command("keypair")
def keycloak_keypair(
    file: Annotated[
        Path, typer.Argument(dir_okay=False, help="File of the private key, which must not exist.")
    ],
) -> None:
    """Make a key for workers: the private one in FILE, the public one (a JWK Set) beside it, for `bootstrap`."""
    from healthvision.keycloak.keypair import write_keypair

    try:
        public = write_keypair(file)
    except OSError as error:
        errors.print(f"{error.filename}: {error.strerror}.", style="red", markup=False)
        raise typer.Exit(1) from None
    console.print(f"HEALTHVISION_WORKER_KEY_FILE={file}", highlight=False, markup=False)
    console.print(f"HEALTHVISION_KEYCLOAK_WORKER_JWKS_FILE={public}", highlight=False, markup=False)


@app.command("settings")
def show_settings(*, as_json: AsJson = False) -> None:
    """List every setting: its variable, its value here, and what it does. Secrets are not shown."""
    rows = _rows(_settings()) + _rows(_read(settings_module.load_keycloak))
    if as_json:
        keys = ("variable", "value", "set", "description")
        typer.echo(json.dumps([dict(zip(keys, row, strict=True)) for row in rows], indent=2))
        return
    table = Table("Variable", "Value", "Meaning", title="Settings (bold: set here)")
    for variable, value, is_set, description in rows:
        table.add_row(f"[bold]{variable}[/bold]" if is_set else variable, value, description)
    console.print(table)


def _rows(current: Settings | KeycloakSettings) -> list[tuple[str, str, bool, str]]:
    shown = json.loads(current.model_dump_json())
    prefix = current.model_config.get("env_prefix", "")
    return [
        (
            f"{prefix}{name.upper()}",
            "(hidden)" if not field.repr else str(shown[name] if shown[name] is not None else ""),
            name in current.model_fields_set,
            field.description or "",
        )
        for name, field in type(current).model_fields.items()
    ]


def main() -> None:
    """Entry point of the ``healthvision`` script."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
