"""What a worker says of itself before it starts: its model's Device and card, and who answers for the service."""

from __future__ import annotations

from typing import Any

import msgspec

from inference.client import FhirClient
from inference.errors import Missing
from inference.results.case import Model
from inference.results.device import device, model_card, organization


async def introduce(client: FhirClient, model: Model, organization_id: str, name: str) -> None:
    """Writes what is not there yet, or says something else than this worker would. Any number may do so at once.

    The Organization is only made where there is none: its name and address are the site's to keep.
    """
    if await _stored(client, "Organization", organization_id) is None:
        await _write(client, organization(organization_id, name))
    for resource in (model_card(model), device(model)):
        if await _stored(client, resource["resourceType"], resource["id"]) != resource:
            await _write(client, resource)


async def _stored(client: FhirClient, type: str, id: str) -> dict[str, Any] | None:
    """The resource as stored, without what the server adds to it."""
    try:
        resource = (await client.read(type, id)).json()
    except Missing:
        return None
    meta = resource.get("meta", {})
    meta.pop("versionId", None)
    meta.pop("lastUpdated", None)
    if not meta:
        resource.pop("meta", None)
    return resource


async def _write(client: FhirClient, resource: dict[str, Any]) -> None:
    await client.update(resource["resourceType"], resource["id"], msgspec.json.encode(resource))
