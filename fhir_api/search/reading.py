"""What the criteria of a request mean in this deployment, now."""

from __future__ import annotations

from fhir_api.api import Api
from fhir_api.search.coded import value_sets_named
from fhir_api.search.criterion import Reading
from fhir_api.search.grammar import Pairs


async def reading_of(api: Api, pairs: Pairs, base_url: str) -> Reading:
    """How to read ``pairs``, with the stored ValueSets that they name."""
    return Reading(
        base_url=base_url,
        now_us=api.clock(),
        chain_limit=api.options.chain_limit,
        parameters=api.search_parameters.active,
        terminology=api.validator.profiles.terminology,
        value_sets=await value_sets_named(api.store, pairs, base_url),
    )
