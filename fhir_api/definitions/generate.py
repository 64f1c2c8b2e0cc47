"""Write ``fhir_api/definitions/r4`` from the R4 4.0.1 package.

    python -m fhir_api.definitions.generate [PACKAGE] [--fetch]

PACKAGE is the tarball of npm ``hl7.fhir.r4.examples@4.0.1`` or a folder it was unpacked to; without it the
copy in ``.cache/`` is used, which ``--fetch`` gets with ``npm pack``. The same package gives the same bytes.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fhir_api.definitions.generator import package as packages
from fhir_api.definitions.generator.code_sets import code_sets
from fhir_api.definitions.generator.compartments import compartments
from fhir_api.definitions.generator.elements import element_tables
from fhir_api.definitions.generator.search_parameters import search_parameters

OUTPUT = Path(__file__).with_name("r4")


def generate(package: packages.DefinitionsPackage) -> dict[str, bytes]:
    """File name → content of everything that belongs in ``r4/``."""
    elements = element_tables(package)
    return {
        "elements.json": _render(elements, depth=4),
        "code_sets.json": _render(code_sets(package, elements), depth=1),
        "search_parameters.json": _render(search_parameters(package), depth=2),
        "compartments.json": _render(compartments(package), depth=2),
    }


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
    OUTPUT.mkdir(exist_ok=True)
    for name, content in generate(package).items():
        (OUTPUT / name).write_bytes(content)
        sys.stdout.write(f"{name}: {len(content):,} bytes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
