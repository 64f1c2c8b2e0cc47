"""Whether a client has already what a search or history would answer: a weak ETag of what the page says.

https://hl7.org/fhir/R4/http.html#cread speaks of reads, which have the version for this; RFC 9110 section 13.1.2.
"""

from __future__ import annotations

from hashlib import sha256

from fhir_api.http import Request, Response


def tagged(request: Request, response: Response) -> Response:
    """The answer with an ETag where it has none; 304 where If-None-Match names it."""
    if not response.body or response.header("etag") is not None:
        return response
    tag = f'W/"{sha256(response.body).hexdigest()[:24]}"'
    known = request.headers.get("if-none-match")
    if known is not None and is_named(tag, known):
        return Response(304, (("ETag", tag),))
    return Response(response.status, (*response.headers, ("ETag", tag)), response.body)


def is_named(tag: str, if_none_match: str) -> bool:
    """Whether a header lists the tag, or '*'. Weak and strong are not told apart (RFC 9110 section 8.8.3.2)."""
    plain = tag.removeprefix("W/")
    return any(one.strip() in {"*", tag, plain} for one in if_none_match.split(","))
