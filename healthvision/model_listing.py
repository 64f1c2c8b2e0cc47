"""``healthvision models list`` and ``show``: what this installation can run."""

from __future__ import annotations

import json

import msgspec
import typer
from rich.console import Console
from rich.markdown import Markdown
from rich.table import Table

from inference.models.errors import ModelError
from inference.models.registry import installed_model, installed_models


def list_models(console: Console, *, as_json: bool) -> None:
    """Prints name, version, analysis, weights and licence of every model."""
    models = [model.manifest for model in installed_models()]
    if as_json:
        typer.echo(json.dumps([msgspec.to_builtins(manifest) for manifest in models], indent=2))
        return
    table = Table("Model", "Version", "Analysis", "Weights (sha256)", "Licence")
    for one in models:
        table.add_row(
            one.name, one.version, one.analysis, one.weights.sha256[:16] + "…", one.licence
        )
    console.print(table)


def show_model(console: Console, name: str, *, as_json: bool) -> int:
    """Prints a model's card, or its manifest as JSON. Answers 1 where there is no such model."""
    try:
        model = installed_model(name)
        if as_json:
            typer.echo(json.dumps(msgspec.to_builtins(model.manifest), indent=2))
        else:
            console.print(Markdown(model.card()))
    except ModelError as error:
        typer.echo(str(error), err=True)
        return 1
    return 0
