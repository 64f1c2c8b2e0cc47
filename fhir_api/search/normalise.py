"""The one form in which text is compared by string search, on both sides of the index.

R4: 'a field matches a string query if the value of the field equals or starts with the supplied parameter value,
after both have been normalized by case and accent' (https://hl7.org/fhir/R4/search.html#string).
"""

from __future__ import annotations

import unicodedata


def normalise(text: str) -> str:
    """Case folded, without combining marks, each run of white space one space, none at either end."""
    if not text.isascii():
        # Folding can decompose (ß, ŉ) and decomposition can bring capitals back, hence both twice.
        folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
        text = "".join(c for c in folded if not unicodedata.combining(c)).casefold()
    else:
        text = text.lower()
    return " ".join(text.split())
