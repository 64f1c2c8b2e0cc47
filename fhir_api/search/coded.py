"""Token modifiers that ask what a code means: ``:in``, ``:not-in``, ``:below`` and ``:above``.

https://hl7.org/fhir/R4/search.html#token. What cannot be told here is refused: a search that left something out
because a code system is not known would look like one that found nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from fhir_api.search.criterion import Criterion, not_supported, too_costly
from fhir_api.search.grammar import Pairs, split, unescape
from store.interface import Store
from store.query import AnyOf, Condition, TokenIn

_STORED = re.compile(r"ValueSet/([A-Za-z0-9\-.]{1,64})")

MOST_CODES = 20_000
"""That one value may stand for."""


async def value_sets_named(store: Store, pairs: Pairs, base_url: str) -> dict[str, str]:
    """The stored ValueSets that ``:in`` and ``:not-in`` name by their place here → their canonical URLs."""
    found: dict[str, str] = {}
    for name, value in pairs:
        if name.rpartition(":")[2] in {"in", "not-in"}:
            for text in map(unescape, split(value, ",")):
                match = _STORED.fullmatch(text.removeprefix(f"{base_url}/"))
                version = await store.read("ValueSet", match[1]) if match else None
                if version is not None and not version.deleted:
                    url = msgspec.json.decode(version.content, type=_Named).url
                    found |= {text: url} if url else {}
    return found


class _Named(msgspec.Struct):
    url: str = ""


def in_value_set(criterion: Criterion, value: str) -> Condition:
    """The code is in the value set of this canonical URL, or of this ``ValueSet/id``.

    ``:not-in`` is its negation, a level above.
    """
    text = unescape(value)
    canonical = criterion.reading.value_sets.get(text, text)
    terminology = criterion.reading.terminology
    if not terminology.is_known(canonical):
        raise criterion.refuse("no ValueSet of this URL is known here")
    contents = terminology.contents(canonical)
    if contents.is_open or contents.untold or contents.grammars:
        raise not_supported(criterion.name, "the codes of this ValueSet cannot all be told here")
    return _among(criterion, contents.codes)


def by_hierarchy(criterion: Criterion, value: str) -> Condition:
    """``:below``: the code or one that it subsumes; ``:above``: the code or one that subsumes it."""
    parts = [unescape(part) for part in split(value, "|")]
    if len(parts) != 2 or not all(parts):
        raise criterion.refuse(f"':{criterion.modifier}' needs system|code")
    system, code = parts
    terminology = criterion.reading.terminology
    known = terminology.code_system(system)
    if known is None or known.find(code) is None:
        raise not_supported(criterion.name, "what this code subsumes is not known here")
    below = criterion.modifier == "below"
    codes = (terminology.codes_below if below else terminology.codes_above)(system, code)
    return _among(criterion, {system: codes})


def _among(criterion: Criterion, codes: Mapping[str, frozenset[str]]) -> Condition:
    if sum(map(len, codes.values())) > MOST_CODES:
        raise too_costly(criterion.name, f"it stands for more than {MOST_CODES} codes")
    ways = tuple(TokenIn(criterion.code, system, of) for system, of in sorted(codes.items()))
    return ways[0] if len(ways) == 1 else AnyOf(ways)
