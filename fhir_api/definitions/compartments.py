"""Compartments: which resources belong to a patient, a device, … (https://hl7.org/fhir/R4/compartmentdefinition.html)."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from fhir_api.definitions.elements import TABLES

SELF = "{def}"
"""Stands among the parameters where the resource is the compartment's own."""

COMPARTMENTS: Mapping[str, Mapping[str, tuple[str, ...]]] = msgspec.json.decode(
    (TABLES / "compartments.json").read_bytes(), type=dict[str, dict[str, tuple[str, ...]]]
)
"""Compartment (``Patient``) → resource type → reference parameters of which one must point at the compartment.

A type that is missing is in no such compartment.
"""
