"""Implementation guides of a deployment: where they lie, and ``healthvision ig``.

Those of HEALTHVISION_IG_DIR are the operator's own files; ``healthvision ig add`` keeps copies beside the data.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Final

import typer
from rich.console import Console
from rich.table import Table

from fhir_api.conformance.packages import Package, PackageInvalid, read_guides, read_package
from healthvision.settings import Settings

ADDED: Final = "ig"
"""Folder below the data folder."""


def guides_of(settings: Settings) -> list[Package]:
    """Every guide that the deployment has; those of HEALTHVISION_IG_DIR first.

    Raises:
        PackageInvalid: one of them cannot be used.
    """
    guides = read_guides(settings.ig_dir) if settings.ig_dir else []
    added = settings.data_dir / ADDED
    return [*guides, *(read_guides(added) if added.is_dir() else [])]


def add_guide(settings: Settings, file: Path) -> int:
    """Checks a package and keeps a copy of it. Answers 1 where it cannot be used."""
    try:
        package = read_package(file)
    except PackageInvalid as error:
        typer.echo(str(error), err=True)
        return 1
    folder = settings.data_dir / ADDED
    folder.mkdir(parents=True, exist_ok=True)
    name = file.resolve().name
    target = folder / (name if file.is_dir() or name.endswith(".tgz") else f"{name}.tgz")
    staged = folder / f".{target.name}"  # hidden, so that nobody reads half a copy
    for former in (staged, target):
        if former.is_dir():
            shutil.rmtree(former)
    if file.is_dir():
        shutil.copytree(file, staged)
    else:
        shutil.copyfile(file, staged)
    staged.replace(target)
    typer.echo(
        f"{package.name} {package.version}: {len(package.definitions)} definitions, "
        "used from the next start of the server."
    )
    return 0


def list_guides(settings: Settings, console: Console, *, as_json: bool) -> int:
    """Prints name, version and contents of every guide. Answers 1 where one cannot be used."""
    try:
        guides = guides_of(settings)
    except PackageInvalid as error:
        typer.echo(str(error), err=True)
        return 1
    rows = [
        {
            "name": guide.name,
            "version": guide.version,
            **{
                type: sum(d.type == type for d in guide.definitions)
                for type in ("StructureDefinition", "ValueSet", "CodeSystem")
            },
        }
        for guide in guides
    ]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return 0
    table = Table("Guide", "Version", "Profiles and extensions", "Value sets", "Code systems")
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    console.print(table)
    return 0
