"""The committed table is what the generator writes, and another implementation agrees with what we read in it."""

from __future__ import annotations

import csv
from decimal import Decimal

import pytest
from lark.exceptions import VisitError
from ucumvert import PintUcumRegistry

from terminology.ucum import canonical_unit, is_valid_unit
from terminology.ucum.generate import OUTPUT, generate, installed_essence

AVOGADRO = 6.02214076e23
OTHER_DEFINITIONS = ("[Hg]", "H2O]", "[LPF]", "dB")
"""Units that pint defines otherwise than UCUM does: mercury and water by other densities, a field of view as 1; and logarithms."""


def examples() -> list[str]:
    """The 840 codes of UCUM's own table of examples."""
    with (installed_essence().parent / "ucum_examples.tsv").open(newline="") as file:
        return [row[1] for row in csv.reader(file, delimiter="\t") if len(row) > 1][1:]


def test_regenerating_changes_nothing() -> None:
    assert generate(installed_essence()) == OUTPUT.read_bytes()


def test_every_example_of_ucum_is_valid() -> None:
    """Torr is among the examples and not in the table."""
    assert [code for code in examples() if not is_valid_unit(code)] == ["Torr"]


def test_another_implementation_converts_the_examples_to_the_same_numbers() -> None:
    """The other is ucumvert on pint, in floating point. There a mole is a dimension, in UCUM a number."""
    registry = PintUcumRegistry()
    compared = 0
    for code in examples():
        ours = canonical_unit(code)
        if ours is None or ours.offset or any(unit in code for unit in OTHER_DEFINITIONS):
            continue
        try:
            theirs = registry.from_ucum(code).to_base_units()
        except (VisitError, AttributeError):  # logarithmic units; annotations alone
            continue
        powers = dict(theirs.unit_items())
        scale = 1000.0 ** powers.get("kilogram", 0) * AVOGADRO ** powers.get("mole", 0)
        assert ours.of(Decimal(1)) == pytest.approx(theirs.magnitude * scale, rel=1e-9), code
        compared += 1
    assert compared > 700
