"""The committed tables are what the generator writes (``make check`` runs this)."""

from __future__ import annotations

import pytest

from fhir_api.definitions.elements import TABLES
from fhir_api.definitions.generate import generate
from fhir_api.definitions.generator.package import PackageUnavailable, find


def test_regenerating_changes_nothing() -> None:
    """From npm ``hl7.fhir.r4.examples@4.0.1``, in ``.cache/`` or fetched with npm."""
    try:
        package = find()
    except PackageUnavailable as exc:
        pytest.skip(f"the R4 package cannot be had: {exc}")
    written = generate(package)
    committed = {path.name: path.read_bytes() for path in TABLES.iterdir()}
    assert sorted(written) == sorted(committed)
    for name, content in written.items():
        assert content == committed[name], (
            f"{name} differs: run python -m fhir_api.definitions.generate"
        )
