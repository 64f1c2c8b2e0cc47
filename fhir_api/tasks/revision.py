"""A stored Task with some members changed, the others byte for byte as they were."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from fhir_api.document import joined, members_of
from fhir_api.http import instant
from fhir_api.interactions.write import Draft
from store.interface import Version


def revised(stored: Version, now_us: int, changes: Mapping[str, Any]) -> Draft:
    """The Task's next content. A change to None removes the member; ``lastModified`` is set to now."""
    members = members_of(stored.content)
    for name, value in {**changes, "lastModified": instant(now_us)}.items():
        if value is None:
            members.pop(name, None)
        else:
            members[name] = orjson.dumps(value)
    body = joined(members)
    return Draft("Task", orjson.loads(body), body)
