"""Range requests on the bytes of a Binary (RFC 9110 section 14): one range, for those who go on where they stopped."""

from __future__ import annotations

import re
from dataclasses import dataclass

from fhir_api.errors import Category, FhirError
from fhir_api.http import Headers, Request, http_date, version_of_etag
from store.interface import Version

ACCEPT_RANGES: Headers = (("Accept-Ranges", "bytes"),)

_ONE_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes from ``start`` to before ``end`` of ``size``."""

    start: int
    end: int
    size: int

    @property
    def length(self) -> int:
        return self.end - self.start

    @property
    def headers(self) -> Headers:
        return (("Content-Range", f"bytes {self.start}-{self.end - 1}/{self.size}"),)


def range_of(request: Request, version: Version, size: int) -> ByteRange | None:
    """The part that is asked for; None where all of it is, as for several ranges, which a server may leave unserved.

    Raises:
        FhirError: the range begins after the last byte (416).
    """
    asked = request.headers.get("range")
    if asked is None or request.method != "GET":
        return None
    match = _ONE_RANGE.fullmatch(asked.replace(" ", ""))
    if match is None or not _is_still(request, version):
        return None
    first, last = match.groups()
    if first:
        start = int(first)
        end = min(int(last) + 1, size) if last else size
        if last and int(last) < start:
            return None
    elif last:
        start, end = max(size - int(last), 0), size
    else:
        return None
    if start >= end:
        text = f"The Binary has {size} bytes; the range begins after them."
        raise FhirError(
            Category.RANGE, text, "http.Range", headers=(("Content-Range", f"bytes */{size}"),)
        )
    return ByteRange(start, end, size)


def _is_still(request: Request, version: Version) -> bool:
    """Whether If-Range, where it is sent, names this version.

    FHIR's tags are weak in form; the bytes of a version never change, so here they are as good as strong ones.
    """
    known = request.headers.get("if-range")
    if known is None:
        return True
    if '"' in known:
        return version_of_etag(known) == version.version
    return known == http_date(version.last_updated_us // 1_000_000)
