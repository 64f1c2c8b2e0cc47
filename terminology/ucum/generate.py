"""Write ``terminology/ucum/essence.json`` from UCUM's own ``ucum-essence.xml``.

    python -m terminology.ucum.generate [FILE]

FILE is ucum-essence.xml of https://ucum.org; without it the copy in PyPI's ``ucumvert`` is used, which the test
environment has. The same file gives the same bytes.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

OUTPUT = Path(__file__).with_name("essence.json")
_NAMESPACE = "{http://unitsofmeasure.org/ucum-essence}"


class EssenceUnavailable(Exception):
    """There is no ucum-essence.xml to read."""


def installed_essence() -> Path:
    """The copy that comes with ``ucumvert``.

    Raises:
        EssenceUnavailable: it is not installed.
    """
    spec = importlib.util.find_spec("ucumvert")
    if spec is None or spec.origin is None:
        raise EssenceUnavailable("ucumvert is not installed")
    return Path(spec.origin).parent / "vendor" / "ucum-essence.xml"


def generate(essence: Path) -> bytes:
    """The table: what ``units.py`` reads."""
    root = ET.parse(essence).getroot()  # noqa: S314 - a file of our own choice, read when developing
    table = {
        "version": root.attrib["version"],
        "prefixes": {
            prefix.attrib["Code"]: _child(prefix, "value").attrib["value"]
            for prefix in root.iter(f"{_NAMESPACE}prefix")
        },
        "base": [unit.attrib["Code"] for unit in root.iter(f"{_NAMESPACE}base-unit")],
        "units": {
            unit.attrib["Code"]: _definition(unit) for unit in root.iter(f"{_NAMESPACE}unit")
        },
    }
    lines = [f" {json.dumps(name)}: {_lines(value)}" for name, value in table.items()]
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def _definition(unit: ET.Element) -> list[object]:
    """[kind, metric, value, unit]; a special unit is its function's value and unit, and the function's name."""
    value = _child(unit, "value")
    metric = unit.attrib["isMetric"] == "yes"
    function = value.find(f"{_NAMESPACE}function")
    if function is not None:
        return [
            "special",
            metric,
            function.attrib["value"],
            function.attrib["Unit"],
            function.attrib["name"],
        ]
    kind = "arbitrary" if unit.attrib.get("isArbitrary") == "yes" else "plain"
    return [kind, metric, value.attrib["value"], value.attrib["Unit"]]


def _child(element: ET.Element, name: str) -> ET.Element:
    child = element.find(_NAMESPACE + name)
    assert child is not None
    return child


def _lines(value: object) -> str:
    """A dictionary with one line an entry, so that a change is a line in a diff."""
    if not isinstance(value, dict):
        return json.dumps(value)
    rows = (f"  {json.dumps(key)}: {json.dumps(item)}" for key, item in value.items())
    return "{\n" + ",\n".join(rows) + "\n }"


def main() -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(description="Write the table of UCUM's units.")
    parser.add_argument("essence", nargs="?", type=Path)
    arguments = parser.parse_args()
    try:
        OUTPUT.write_bytes(generate(arguments.essence or installed_essence()))
    except EssenceUnavailable as error:
        print(error, file=sys.stderr)
        return 1
    print(f"written: {OUTPUT}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
