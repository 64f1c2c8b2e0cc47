"""The committed tables are what the generator writes (``make check`` runs this)."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from fhir_api.definitions.generate import OUTPUT, TERMINOLOGY, generate, generate_terminology
from fhir_api.definitions.generator.package import (
    DefinitionsPackage,
    PackageUnavailable,
    find,
)


@pytest.mark.parametrize(
    ("folder", "tables"),
    [(OUTPUT, generate), (TERMINOLOGY, generate_terminology)],
    ids=["definitions", "terminology"],
)
def test_regenerating_changes_nothing(
    folder: Path, tables: Callable[[DefinitionsPackage], dict[str, bytes]]
) -> None:
    """From npm ``hl7.fhir.r4.examples@4.0.1``, in ``.cache/`` or fetched with npm."""
    try:
        package = find()
    except PackageUnavailable as exc:
        pytest.skip(f"the R4 package cannot be had: {exc}")
    written = tables(package)
    committed = {path.name: _content(path) for path in folder.iterdir()}
    assert sorted(written) == sorted(committed)
    for name, content in written.items():
        assert content == committed[name], (
            f"{name} differs: run python -m fhir_api.definitions.generate"
        )


def _content(path: Path) -> bytes:
    """Before compression: another release of zlib may compress otherwise."""
    content = path.read_bytes()
    return gzip.decompress(content) if path.suffix == ".gz" else content
