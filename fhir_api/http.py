"""A FHIR request and its answer, without a transport: what ``handle`` takes and gives.

https://hl7.org/fhir/R4/http.html#general
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from functools import lru_cache
from urllib.parse import parse_qsl

from fhir_api.access import Caller
from fhir_api.errors import Category, FhirError, Issue, outcome_bytes
from fhir_api.jobs.running import Running
from store.interface import Version

FHIR_JSON = "application/fhir+json"

MOST_PARAMETERS = 1000
"""Of any query; a deployment may allow fewer."""

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Request:
    """One request below the base URL. Header names are lower case; ``path`` segments are decoded."""

    method: str
    path: tuple[str, ...]
    query: str
    headers: Mapping[str, str]
    body: bytes
    caller: Caller
    base_url: str
    """Absolute, without a trailing slash: http://127.0.0.1:8000/fhir."""
    id: str = ""
    """The request id that answers and log lines carry."""
    payload: AsyncIterator[bytes] | None = None
    """A raw upload (Binary) that has not been read into ``body``."""
    gone: Callable[[], Awaitable[None]] | None = None
    """Returns when the client has gone away, for operations that wait. None: nobody can say."""
    job: Running | None = None
    """What to tell how far it is, where nobody waits for the answer (``fhir_api/jobs``)."""
    address: str = ""
    """The client's network address; '' where it is not known."""


class Disconnected(Exception):
    """The client went away before its request was whole: there is nobody to answer."""


@dataclass(frozen=True, slots=True)
class Response:
    """An answer. ``stream`` replaces ``body`` for a long one, with ``length`` bytes."""

    status: int
    headers: Headers
    body: bytes = b""
    stream: AsyncIterator[bytes] | None = None
    length: int = 0
    shown: Sequence[Version] = ()
    """Whose content stands in a page of several, for the audit."""

    def header(self, name: str) -> str | None:
        """The first header of that name, whatever its case."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), None)

    def adding(self, *headers: tuple[str, str]) -> Response:
        return replace(self, headers=self.headers + headers)


JSON_HEADERS: Headers = (("Content-Type", FHIR_JSON + "; charset=utf-8"),)


def json_response(
    status: int, body: bytes, headers: Headers = (), *, shown: Sequence[Version] = ()
) -> Response:
    """A FHIR JSON answer."""
    return Response(status, JSON_HEADERS + headers, body, shown=shown)


def outcome_response(status: int, issues: tuple[Issue, ...], headers: Headers = ()) -> Response:
    """An answer whose body is an OperationOutcome."""
    return Response(status, JSON_HEADERS + headers, outcome_bytes(issues))


def error_response(error: FhirError) -> Response:
    """The answer that a refusal becomes."""
    return outcome_response(error.status, error.issues, error.headers)


def query_pairs(query: str) -> list[tuple[str, str]]:
    """The parameters of a query string or form body, in order, percent-decoded as UTF-8.

    Raises:
        FhirError: the encoding is not UTF-8.
    """
    if not query:
        return []
    try:
        return parse_qsl(
            query, keep_blank_values=True, errors="strict", max_num_fields=MOST_PARAMETERS
        )
    except UnicodeDecodeError as exc:
        raise FhirError(
            Category.INVALID, "The query is not percent-encoded UTF-8.", "http.url"
        ) from exc
    except ValueError as exc:
        raise too_many_parameters(MOST_PARAMETERS) from exc


def too_many_parameters(most: int) -> FhirError:
    """The refusal of a query or form with more than ``most`` parameters."""
    text = f"A query has at most {most} parameters."
    return FhirError(Category.TOO_COSTLY, text, "http.url")


def etag(version: int) -> str:
    """The weak ETag of a version: ``W/"3"`` (https://hl7.org/fhir/R4/http.html#concurrency)."""
    return f'W/"{version}"'


def version_of_etag(value: str) -> int | None:
    """The version that an ETag names, weak or not; None where it names none of ours."""
    text = value.strip()
    if text.startswith(("W/", "w/")):
        text = text[2:]
    if len(text) > 2 and text[0] == text[-1] == '"':
        text = text[1:-1]
    return (
        int(text)
        if text.isascii() and text.isdigit() and text[0] != "0" and len(text) < 19
        else None
    )


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=4096)
def http_date(seconds: int) -> str:
    """Seconds since 1970 as an HTTP date (RFC 9110 §5.6.7)."""
    return format_datetime(EPOCH + timedelta(seconds=seconds), usegmt=True)


def seconds_of_http_date(value: str) -> int | None:
    """The time that a header names, in seconds since 1970; None where it is not an HTTP date."""
    try:
        moment = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp())


@lru_cache(maxsize=4096)
def _second(seconds: int) -> str:
    return (EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")


def instant(microseconds: int) -> str:
    """Microseconds since 1970 as a FHIR instant in UTC, to the microsecond."""
    seconds, rest = divmod(microseconds, 1_000_000)
    return f"{_second(seconds)}.{rest:06d}Z"


@dataclass(frozen=True, slots=True)
class Preference:
    """What the Prefer header asks (https://hl7.org/fhir/R4/http.html#ops, RFC 7240)."""

    returns: str | None = None
    """minimal, representation or OperationOutcome; None: not said."""
    strict: bool = False
    """handling=strict: unknown parameters are errors."""
    respond_async: bool = False
    """The answer may come later (https://hl7.org/fhir/R4/async.html)."""


NO_PREFERENCE = Preference()


@lru_cache(maxsize=256)
def parse_prefer(value: str) -> Preference:
    """Reads a Prefer header; unknown preferences are ignored, as RFC 7240 wants."""
    returns: str | None = None
    strict = respond_async = False
    for part in value.replace(";", ",").split(","):
        name, _, text = part.strip().partition("=")
        text = text.strip().strip('"')
        if name.strip().lower() == "return" and returns is None:
            returns = {
                "minimal": "minimal",
                "representation": "representation",
                "operationoutcome": "OperationOutcome",
            }.get(text.lower())
        elif name.strip().lower() == "handling":
            strict = text.lower() == "strict"
        elif name.strip().lower() == "respond-async":
            respond_async = True
    return Preference(returns, strict, respond_async)


def preference(request: Request) -> Preference:
    value = request.headers.get("prefer")
    return parse_prefer(value) if value else NO_PREFERENCE
