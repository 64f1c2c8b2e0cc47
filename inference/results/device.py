"""What a model is in FHIR: its Device, its model card and the Organization that answers for it.

Profiles AI-Device and AI-ModelCard of HL7 AI Transparency on FHIR; their fixed values stand here exactly.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from inference.results import codes
from inference.results.authored import authored
from inference.results.case import Model
from inference.results.narrative import narrative

_PROFILES = f"{codes.TRANSPARENCY}/StructureDefinition"


def device(model: Model) -> dict[str, Any]:
    return authored(
        {
            "resourceType": "Device",
            "id": model.device,
            "meta": {"profile": [f"{_PROFILES}/AI-Device"]},
            "text": narrative(
                f"AI model {model.title}, version {model.version}.", model.intended_use
            ),
            "extension": [
                {
                    "url": f"{_PROFILES}/aitransparency.AIKind",
                    "valueCodeableConcept": codes.concept(
                        codes.DEVICE_TYPES, "Deep-Learning-Models", "Deep Learning Models"
                    ),
                },
                {
                    "url": f"{_PROFILES}/aitransparency.modelCardDescription",
                    "valueReference": {"reference": f"DocumentReference/{model.card}"},
                },
            ],
            "identifier": [{"system": "urn:healthvision:weights-sha256", "value": model.sha256}],
            "status": "active",
            "deviceName": [{"name": model.title, "type": "model-name"}],
            "modelNumber": model.analysis,
            "type": codes.ARTIFICIAL_INTELLIGENCE,
            "version": [{"value": model.version}],
            "note": [{"text": model.intended_use}],
        }
    )


def model_card(model: Model) -> dict[str, Any]:
    text = model.card_markdown.encode()
    return authored(
        {
            "resourceType": "DocumentReference",
            "id": model.card,
            "meta": {"profile": [f"{_PROFILES}/AI-ModelCard"]},
            "text": narrative(f"Model card of {model.title} {model.version}."),
            "status": "current",
            "type": {"coding": [{"system": codes.INPUT_TYPES, "code": "AIModelCard"}]},
            "category": [
                {
                    "coding": [
                        {
                            "system": codes.INPUT_TYPES,
                            "code": "AIModelCardMarkdownFormat",
                            "display": "Markdown Format",
                        }
                    ]
                }
            ],
            "description": f"Model card of {model.title} {model.version}",
            "content": [
                {
                    "attachment": {
                        "contentType": "text/markdown",
                        "language": "en",
                        "data": base64.b64encode(text).decode("ascii"),
                        "size": len(text),
                        "hash": base64.b64encode(
                            hashlib.sha1(text, usedforsecurity=False).digest()
                        ).decode("ascii"),
                        "title": f"{model.title} {model.version}",
                    }
                }
            ],
        }
    )


def organization(id: str, name: str) -> dict[str, Any]:
    """Who performs: R4 allows no Device as ``DiagnosticReport.performer``."""
    return authored(
        {
            "resourceType": "Organization",
            "id": id,
            "text": narrative(name),
            "active": True,
            "name": name,
        }
    )
