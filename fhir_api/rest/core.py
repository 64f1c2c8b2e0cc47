"""How the REST face asks the FHIR core: in the same process, through the same one door as everybody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import orjson

from fhir_api.access import Caller
from fhir_api.api import Api
from fhir_api.http import FHIR_JSON
from fhir_api.http import Request as FhirRequest
from fhir_api.http import Response as FhirResponse
from fhir_api.rest.problems import Problem, from_outcome
from fhir_api.routes import handle


@dataclass(frozen=True, slots=True)
class Core:
    """The FHIR core as one caller sees it. ``base_url`` is that of ``/fhir``, without a trailing slash."""

    api: Api
    caller: Caller
    base_url: str

    @property
    def site_url(self) -> str:
        """The address of the whole server."""
        return self.base_url.removesuffix("/fhir")

    def url(self, reference: str) -> str:
        """A local reference as an absolute URL."""
        return f"{self.base_url}/{reference}"

    async def read(self, reference: str) -> dict[str, Any]:
        """A resource by ``Type/id``.

        Raises:
            Problem: it is absent, gone or not this caller's to see.
        """
        return _tree(await self._ask("GET", tuple(reference.split("/"))))

    async def search(self, type: str, parameters: Mapping[str, str]) -> dict[str, Any]:
        """A searchset Bundle."""
        return _tree(await self._ask("GET", (type,), query=urlencode(parameters)))

    async def create(
        self, resource: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> tuple[dict[str, Any], bool]:
        """The resource as stored, and whether it is new (False: a conditional create found one)."""
        answer = await self._ask(
            "POST", (str(resource["resourceType"]),), resource, headers=headers
        )
        return _tree(answer), answer.status == 201

    async def transaction(self, entries: list[dict[str, Any]]) -> dict[str, Any]:
        """All of the entries or none of them."""
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
        return _tree(await self._ask("POST", (), bundle))

    async def _ask(
        self,
        method: str,
        path: tuple[str, ...],
        resource: Mapping[str, Any] | None = None,
        *,
        query: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> FhirResponse:
        request = FhirRequest(
            method=method,
            path=path,
            query=query,
            headers={
                "accept": FHIR_JSON,
                "content-type": FHIR_JSON,
                "prefer": "return=representation, handling=strict",
                **(headers or {}),
            },
            body=orjson.dumps(resource) if resource is not None else b"",
            caller=self.caller,
            base_url=self.base_url,
        )
        answer = await handle(self.api, request)
        if answer.status >= 400:
            raise from_outcome(answer.status, _tree(answer))
        return answer


def _tree(answer: FhirResponse) -> dict[str, Any]:
    tree = orjson.loads(answer.body)
    if not isinstance(tree, dict):
        raise Problem(500, "The core answered something that is not a resource.")
    return tree
