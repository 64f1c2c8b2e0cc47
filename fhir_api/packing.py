"""Content-Encoding of answers: brotli or gzip, whichever the client likes better (RFC 9110 section 12.5.3)."""

from __future__ import annotations

import asyncio
import gzip
from functools import lru_cache

import brotli

from fhir_api.http import Response

GZIP_LEVEL = 1
BROTLI_QUALITY = 2
"""Answers are packed while somebody waits. At these levels both take about as long, and brotli's are smaller."""
IN_THREAD_FROM = 256 * 1024
PACKABLE = (
    "application/fhir+json",
    "application/fhir+xml",
    "application/json",
    "text/",
    "application/xml",
)
"""What images and archives hold is packed already."""

_PREFERRED = ("br", "gzip")
_LONGEST_KEPT = 256


def is_packable(response: Response) -> bool:
    """Whether packing makes the body smaller and leaves it whole: a part of a file (206) is counted in its own bytes."""
    return response.status != 206 and (response.header("content-type") or "").startswith(PACKABLE)


def best_encoding(accept_encoding: str) -> str | None:
    """``br`` or ``gzip`` by an Accept-Encoding header, ``br`` where both are wanted alike; None for neither."""
    if len(accept_encoding) > _LONGEST_KEPT:
        return None
    return _best_encoding(accept_encoding)


@lru_cache(maxsize=256)
def _best_encoding(accept_encoding: str) -> str | None:
    wanted: dict[str, float] = {}
    for part in accept_encoding.lower().split(","):
        name, _, parameter = part.partition(";")
        text = parameter.replace(" ", "").removeprefix("q=")
        try:
            wanted[name.strip()] = float(text) if text else 1.0
        except ValueError:
            wanted[name.strip()] = 0.0
    quality = {name: wanted.get(name, wanted.get("*", 0.0)) for name in _PREFERRED}
    best = max(_PREFERRED, key=quality.__getitem__)
    return best if quality[best] > 0 else None


async def packed(encoding: str, body: bytes) -> bytes:
    """The body in ``br`` or ``gzip``."""
    if len(body) < IN_THREAD_FROM:
        return _packed(encoding, body)
    return await asyncio.to_thread(_packed, encoding, body)


def _packed(encoding: str, body: bytes) -> bytes:
    if encoding == "br":
        smaller: bytes = brotli.compress(body, quality=BROTLI_QUALITY)
        return smaller
    return gzip.compress(body, GZIP_LEVEL, mtime=0)
