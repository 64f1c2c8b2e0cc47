"""The entries of a batch or transaction: read from the Bundle, ordered, answered.

https://hl7.org/fhir/R4/http.html#transaction
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from http import HTTPStatus
from urllib.parse import unquote

import msgspec
import orjson

from fhir_api.api import Api
from fhir_api.document import Members, Tree, joined, parse
from fhir_api.errors import Category, FhirError
from fhir_api.http import FHIR_JSON, Request, Response, etag, instant, seconds_of_http_date
from fhir_api.patches.read import patch_of_entry
from store.interface import Version

ORDER = ("DELETE", "POST", "PUT", "PATCH", "GET", "HEAD")
"""In which order entries take effect, whatever theirs in the Bundle (https://hl7.org/fhir/R4/http.html#trules)."""


class _Asked(msgspec.Struct):
    method: str
    url: str
    ifNoneMatch: str | None = None  # noqa: N815 - FHIR's names
    ifModifiedSince: str | None = None  # noqa: N815
    ifMatch: str | None = None  # noqa: N815
    ifNoneExist: str | None = None  # noqa: N815


class _Sent(msgspec.Struct):
    request: _Asked
    fullUrl: str | None = None  # noqa: N815
    resource: msgspec.Raw = msgspec.Raw()


class _SentBundle(msgspec.Struct):
    entry: list[_Sent] = []


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: what it asks, on which conditions, and the resource as it was sent."""

    index: int
    method: str
    path: tuple[str, ...]
    query: str
    full_url: str | None
    resource: bytes | None
    if_match: str | None
    if_none_match: str | None
    if_none_exist: str | None
    if_modified_since: str | None

    @property
    def place(self) -> str:
        """Where it stands: Bundle.entry[3]."""
        return f"Bundle.entry[{self.index}]"

    @property
    def type(self) -> str:
        return self.path[0] if self.path else ""

    def refused(self, category: Category, text: str, member: str = "request") -> FhirError:
        """A refusal that names this entry."""
        return FhirError(category, text, f"{self.place}.{member}")


def read_bundle(api: Api, request: Request) -> tuple[str, list[Entry]]:
    """The Bundle's type and its entries.

    Raises:
        FhirError: not a batch or transaction, or an entry's request cannot be understood.
    """
    tree = parse(request.body, api.options.max_depth)
    if tree.get("resourceType") != "Bundle":
        text = "What is posted to the base is a Bundle; a resource is posted to its type."
        raise FhirError(Category.INVALID, text, "Bundle")
    kind = tree.get("type")
    if kind not in ("batch", "transaction"):
        text = "A Bundle that is posted to the base is a batch or a transaction."
        raise FhirError(Category.INVALID, text, "Bundle.type")
    shell = _without_resources(tree)
    issues = api.validator.validate(shell, "Bundle")
    if any(issue.is_error for issue in issues):
        raise FhirError(Category.UNPROCESSABLE, "The Bundle is not valid.", issues=issues)
    sent = msgspec.json.decode(request.body, type=_SentBundle).entry
    if len(sent) > api.options.max_bundle_entries:
        text = f"A Bundle has at most {api.options.max_bundle_entries} entries."
        raise FhirError(Category.TOO_COSTLY, text, "Bundle.entry")
    return kind, [_entry(index, one, request) for index, one in enumerate(sent)]


def _without_resources(tree: Tree) -> Tree:
    """The Bundle itself; each resource is validated when its links are known."""
    entries = tree.get("entry")
    if not isinstance(entries, list):
        return tree
    for index, entry in enumerate(entries):
        if isinstance(entry, dict) and "request" not in entry:
            place = f"Bundle.entry[{index}].request"
            raise FhirError(Category.INVALID, "The entry has no request.", place)
    bare = [
        {name: value for name, value in entry.items() if name != "resource"}
        if isinstance(entry, dict)
        else entry
        for entry in entries
    ]
    return {**tree, "entry": bare}


def _entry(index: int, sent: _Sent, request: Request) -> Entry:
    place = f"Bundle.entry[{index}]"
    asked = sent.request
    url = asked.url
    if "://" in url:
        if not url.startswith(f"{request.base_url}/"):
            text = "The URL is not one of this server."
            raise FhirError(Category.INVALID, text, f"{place}.request.url")
        url = url[len(request.base_url) :]
    raw_path, _, query = url.partition("?")
    try:
        path = tuple(
            unquote(segment, errors="strict") for segment in raw_path.strip("/").split("/")
        )
    except UnicodeDecodeError as exc:
        text = "The URL is not percent-encoded UTF-8."
        raise FhirError(Category.INVALID, text, f"{place}.request.url") from exc
    return Entry(
        index=index,
        method=asked.method,
        path=() if path == ("",) else path,
        query=query,
        full_url=sent.fullUrl,
        resource=bytes(sent.resource) or None,
        if_match=asked.ifMatch,
        if_none_match=asked.ifNoneMatch,
        if_none_exist=asked.ifNoneExist,
        if_modified_since=asked.ifModifiedSince,
    )


def request_of(entry: Entry, request: Request) -> Request:
    """The entry as a request of its own, by the same caller."""
    conditions = {
        "if-match": entry.if_match,
        "if-none-match": entry.if_none_match,
        "if-none-exist": entry.if_none_exist,
        "if-modified-since": entry.if_modified_since,
        # An entry has no answer of its own that could come later.
        "prefer": request.headers.get("prefer", "").replace("respond-async", "") or None,
    }
    headers = {name: value for name, value in conditions.items() if value is not None}
    headers["content-type"] = FHIR_JSON
    if trace := request.headers.get("traceparent"):
        headers["traceparent"] = trace
    if entry.method in {"GET", "HEAD"}:
        headers["accept"] = FHIR_JSON
    body = entry.resource or b""
    if entry.method == "PATCH" and body:
        headers["content-type"], body = patch_of_entry(body)
    return Request(
        method=entry.method,
        path=entry.path,
        query=entry.query,
        headers=headers,
        body=body,
        caller=request.caller,
        base_url=request.base_url,
        id=request.id,
        address=request.address,
    )


def status_line(status: int) -> str:
    """``201 Created``, as ``Bundle.entry.response.status`` has it."""
    return f"{status} {HTTPStatus(status).phrase}"


def version_response(
    version: Version, status: int, resource: bytes | None, outcome: bytes | None
) -> bytes:
    """The response entry of a write; ``resource`` or ``outcome`` where Prefer asks for it."""
    response: Members = {
        "status": orjson.dumps(status_line(status)),
        "location": orjson.dumps(f"{version.type}/{version.id}/_history/{version.version}"),
        "etag": orjson.dumps(etag(version.version)),
        "lastModified": orjson.dumps(instant(version.last_updated_us)),
    }
    if outcome is not None:
        response["outcome"] = outcome
    members: Members = {"resource": resource} if resource is not None else {}
    members["response"] = joined(response)
    return joined(members)


def answered(entry: Entry, request: Request, response: Response) -> bytes:
    """The response entry of an interaction that was answered on its own."""
    shown = replace(response, body=b"") if entry.method == "HEAD" else response
    return response_entry(shown, request.base_url)


def response_entry(response: Response, base_url: str) -> bytes:
    """An answer as an entry of a batch-response; its body is a resource."""
    described = {"status": status_line(response.status)}
    if location := response.header("location"):
        described["location"] = location.removeprefix(f"{base_url}/")
    if tag := response.header("etag"):
        described["etag"] = tag
    modified = seconds_of_http_date(response.header("last-modified") or "")
    if modified is not None:
        described["lastModified"] = instant(modified * 1_000_000)
    parts: Members = {name: orjson.dumps(text) for name, text in described.items()}
    members: Members = {}
    if response.body:
        is_outcome = response.body.startswith(b'{"resourceType":"OperationOutcome"')
        holder, name = (parts, "outcome") if is_outcome else (members, "resource")
        holder[name] = response.body
    members["response"] = joined(parts)
    return joined(members)


def response_bundle(kind: str, entries: list[bytes]) -> bytes:
    """The batch-response or transaction-response, its entries in the order of the request's."""
    members: Members = {"resourceType": b'"Bundle"', "type": b'"%s-response"' % kind.encode()}
    if entries:
        members["entry"] = b"[" + b",".join(entries) + b"]"
    return joined(members)
