"""The models that workers have announced: their Devices, in fewer words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fhir_api.rest.core import Core
from fhir_api.rest.schemas import Model, Models

AI_DEVICE_SYSTEM = "http://hl7.org/fhir/uv/aitransparency/CodeSystem/AIdeviceTypeCS"
MODEL_CARD = (
    "http://hl7.org/fhir/uv/aitransparency/StructureDefinition/aitransparency.modelCardDescription"
)
PAGE = 200


async def list_models(core: Core) -> Models:
    """Every AI Device of this server, newest first."""
    found = await core.search(
        "Device",
        {
            "type": f"{AI_DEVICE_SYSTEM}|Artificial-Intelligence",
            "_sort": "-_lastUpdated",
            "_count": str(PAGE),
        },
    )
    return Models(models=[_model(core, entry["resource"]) for entry in found.get("entry", [])])


def _model(core: Core, device: Mapping[str, Any]) -> Model:
    names = device.get("deviceName") or [{}]
    versions = device.get("version") or [{}]
    card = next(
        (
            one["valueReference"]["reference"]
            for one in device.get("extension", [])
            if one.get("url") == MODEL_CARD and "valueReference" in one
        ),
        None,
    )
    hashes = [
        one["value"] for one in device.get("identifier", []) if "sha256" in one.get("system", "")
    ]
    return Model(
        id=device["id"],
        url=core.url(f"Device/{device['id']}"),
        name=names[0].get("name", device["id"]),
        version=versions[0].get("value"),
        status=device.get("status"),
        weights_sha256=hashes[0] if hashes else None,
        model_card=core.url(card) if card else None,
    )
