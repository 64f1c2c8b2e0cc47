"""A FHIR answer as a page for a person's browser: indented JSON in which references and pages are links.

The page is data out of the store. Everything in it is escaped, only addresses of this server become links, and the
browser is told to run nothing.
"""

from __future__ import annotations

import re
from base64 import b64encode
from functools import cache
from hashlib import sha256
from html import escape
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
import orjson
from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from fhir_api.definitions.elements import RESOURCE_TYPES
from fhir_api.http import Headers, Request, Response, query_pairs

SOFTWARE = "HealthVision"
STYLE = """
body{margin:0;font:16px/1.5 system-ui,sans-serif;color:#1a1a1a;background:#fff}
header{display:flex;gap:1em;flex-wrap:wrap;padding:.75em 1.5em;background:#10324a;color:#fff}
header a{color:#fff;font-weight:600}
main{padding:1em 1.5em}
h1{font-size:1.3em;margin:.2em 0;overflow-wrap:anywhere}
pre{font:14px/1.45 ui-monospace,monospace;white-space:pre-wrap;overflow-wrap:anywhere}
nav a{margin-right:1em}
""".strip()
_STYLE_HASH = b64encode(sha256(STYLE.encode()).digest()).decode()
_NO_WAY_OUT = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

PAGE_HEADERS: Headers = (
    (
        "Content-Security-Policy",
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; {_NO_WAY_OUT}",
    ),
    ("Referrer-Policy", "no-referrer"),
)
"""Styles are the page's own and nothing else is loaded, run, sent or framed."""

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"(:?)')
_LOCAL = re.compile(r"([A-Z][A-Za-z]+)/[A-Za-z0-9\-.]{1,64}(/_history/[0-9]{1,18})?")


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("fhir_api", "formats"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    return environment.get_template("page.html.j2")


def page_of(request: Request, response: Response) -> bytes:
    """The page of a FHIR JSON answer."""
    tree = orjson.loads(response.body)
    base_url = request.base_url
    page = _template().render(
        software=SOFTWARE,
        style=Markup(STYLE),  # noqa: S704 - a constant
        base_url=base_url,
        title=_title(tree),
        status=f"{response.status} {HTTPStatus(response.status).phrase}",
        formats=_formats(request),
        issues=_issues(tree),
        links=[
            (link.get("relation"), _in_html(link["url"]))
            for link in tree.get("link", ())
            if tree.get("resourceType") == "Bundle" and _is_ours(link.get("url"), base_url)
        ],
        json=_linked(msgspec.json.format(response.body, indent=2).decode(), base_url),
    )
    return page.encode()


def _title(tree: dict[str, Any]) -> str:
    type = str(tree.get("resourceType"))
    if type == "Bundle":
        count = len(tree.get("entry", ()))
        return f"{type}: {tree.get('type')}, {count} {'entry' if count == 1 else 'entries'}"
    return f"{type}/{tree['id']}" if "id" in tree else type


def _issues(tree: dict[str, Any]) -> list[dict[str, str]]:
    if tree.get("resourceType") != "OperationOutcome":
        return []
    return [
        {
            "severity": issue.get("severity", ""),
            "text": issue.get("details", {}).get("text", issue.get("diagnostics", "")),
            "place": ", ".join(issue.get("expression", issue.get("location", ()))),
        }
        for issue in tree.get("issue", ())
    ]


def _formats(request: Request) -> list[tuple[str, str]]:
    """Links to the same in the formats that programs read; only what is read has such."""
    if request.method not in {"GET", "HEAD"}:
        return []
    kept = [pair for pair in query_pairs(request.query) if pair[0] not in {"_format", "_pretty"}]
    path = "/".join(quote(segment, safe="") for segment in request.path)
    url = f"{request.base_url}/{path}"
    return [
        (name, f"{url}?{urlencode([*kept, ('_format', name.lower()), ('_pretty', 'true')])}")
        for name in ("JSON", "XML")
    ]


def _linked(text: str, base_url: str) -> Markup:
    """Indented JSON, escaped, its references links."""

    def token(match: re.Match[str]) -> str:
        shown = escape(match[0])
        if match[1]:
            return shown
        value = orjson.loads(match[0])
        local = _LOCAL.fullmatch(value)
        if local is not None and local[1] in RESOURCE_TYPES:
            return f'<a href="{escape(_in_html(f"{base_url}/{value}"))}">{shown}</a>'
        if _is_ours(value, base_url):
            return f'<a href="{escape(_in_html(value))}">{shown}</a>'
        return shown

    return Markup(_STRING.sub(token, text))  # noqa: S704 - between strings JSON has no letters of HTML


def _is_ours(url: object, base_url: str) -> bool:
    return isinstance(url, str) and url.startswith(f"{base_url}/")


def _in_html(url: str) -> str:
    """The URL that answers with a page again."""
    if "_format=" in url:
        return url
    return f"{url}{'&' if '?' in url else '?'}_format=html"
