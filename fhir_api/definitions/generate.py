"""Write ``fhir_api/definitions/r4`` and ``terminology/r4`` from the R4 4.0.1 package.

    python -m fhir_api.definitions.generate [PACKAGE] [--fetch]

PACKAGE is the tarball of npm ``hl7.fhir.r4.examples@4.0.1`` or a folder it was unpacked to; without it the
copy in ``.cache/`` is used, which ``--fetch`` gets with ``npm pack``. The same package gives the same bytes.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fhir_api.definitions.generator import package as packages
from fhir_api.definitions.generator.code_sets import code_sets
from fhir_api.definitions.generator.compartments import compartments
from fhir_api.definitions.generator.elements import element_tables
from fhir_api.definitions.generator.invariants import invariants
from fhir_api.definitions.generator.profiles import profiles
from fhir_api.definitions.generator.search_parameters import search_parameters
from fhir_api.definitions.generator.terminology import code_systems, value_sets
from terminology.published import TABLES as TERMINOLOGY

OUTPUT = Path(__file__).with_name("r4")


def generate(package: packages.DefinitionsPackage) -> dict[str, bytes]:
    """File name → content of everything that belongs in ``r4/``; of a ``.gz`` its content before compression."""
    elements = element_tables(package)
    return {
        "elements.json": _render(elements, depth=4),
        "code_sets.json": _render(code_sets(package, elements), depth=1),
        "invariants.json": _render(invariants(package), depth=1),
        "search_parameters.json": _render(search_parameters(package), depth=2),
        "compartments.json": _render(compartments(package), depth=2),
        "profiles.json.gz": _render(profiles(package), depth=1),
    }


def generate_terminology(package: packages.DefinitionsPackage) -> dict[str, bytes]:
    """As ``generate``, of ``terminology/r4``."""
    return {
        "code_systems.json.gz": _render(code_systems(package), depth=1),
        "value_sets.json.gz": _render(value_sets(package), depth=1),
    }


def written(name: str, content: bytes) -> bytes:
    """The bytes of a file, the same from the same compressor whenever it is written."""
    return gzip.compress(content, 9, mtime=0) if name.endswith(".gz") else content


def _render(table: Mapping[str, Any], depth: int) -> bytes:
    """JSON with one line an entry down to ``depth``, so that a change is a line in a diff."""
    return (_lines(table, depth, "") + "\n").encode()


def _lines(value: object, depth: int, indent: str) -> str:
    if depth == 0 or not isinstance(value, Mapping) or not value:
        return json.dumps(value, ensure_ascii=False)
    inner = indent + " "
    rows = (
        f"{inner}{json.dumps(key)}: {_lines(item, depth - 1, inner)}" for key, item in value.items()
    )
    return "{\n" + ",\n".join(rows) + f"\n{indent}}}"


def main() -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        description="Write the R4 tables from the definitions package."
    )
    parser.add_argument("package", nargs="?", type=Path, default=packages.TARBALL)
    parser.add_argument("--fetch", action="store_true", help="get the package with npm pack first")
    arguments = parser.parse_args()
    try:
        if arguments.fetch:
            packages.fetch()
        package = packages.DefinitionsPackage(arguments.package)
    except packages.PackageUnavailable as exc:
        sys.stderr.write(f"{exc}\n")
        return 1
    for folder, tables in ((OUTPUT, generate), (TERMINOLOGY, generate_terminology)):
        folder.mkdir(exist_ok=True)
        for name, content in tables(package).items():
            size = (folder / name).write_bytes(written(name, content))
            sys.stdout.write(f"{folder.parent.name}/{folder.name}/{name}: {size:,} bytes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
