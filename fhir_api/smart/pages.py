"""The façade's pages for people: plain HTML, rendered here, that runs nothing, loads nothing and stands in no frame."""

from __future__ import annotations

from base64 import b64encode
from functools import cache
from hashlib import sha256
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse

SOFTWARE = "HealthVision"
STYLE = """
*{box-sizing:border-box}
body{margin:0;font:16px/1.5 system-ui,sans-serif;color:#1a1a1a;background:#f4f6f8}
header{padding:.75em 1.5em;background:#10324a;color:#fff;font-weight:600}
main{max-width:60rem;margin:1.5em auto;padding:1.5em;background:#fff;border:1px solid #d5dbe1;border-radius:6px;overflow-wrap:anywhere}
h1{font-size:1.4em;margin:0 0 .5em}h2{font-size:1.1em;margin:1.5em 0 .5em}
.fields{display:flex;flex-wrap:wrap;gap:1em;margin-bottom:1em}
label{display:block;flex:1 1 12rem;font-weight:600;margin-bottom:.75em}
input,textarea{display:block;width:100%;margin-top:.25em;padding:.5em;font:inherit;font-weight:400;border:1px solid #5b6b7a;border-radius:4px}
button,.button{display:inline-block;padding:.5em 1em;font:inherit;font-weight:600;color:#fff;background:#10324a;border:1px solid #10324a;border-radius:4px;cursor:pointer;text-decoration:none}
button.quiet{color:#10324a;background:#fff}button.danger{background:#9b1c1c;border-color:#9b1c1c}
:focus-visible{outline:3px solid #e08a00;outline-offset:2px}
.table{overflow-x:auto}table{width:100%;border-collapse:collapse;overflow-wrap:normal}th,td{padding:.5em;text-align:left;vertical-align:top;border-bottom:1px solid #d5dbe1;font-weight:400}
thead th{font-weight:600}tbody th{font-weight:600}
form{margin:.5em 0}td form{margin:0}
.warning,[role=alert]{padding:.75em 1em;border-left:4px solid #9b1c1c;background:#fdf0f0}
.hidden{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
""".strip()

NOT_KEPT_NOR_TOLD = {
    "Cache-Control": "no-store",
    "Pragma": "no-cache",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Of pages and redirects alike: what stands in their URLs is told to nobody else."""
_STYLE_HASH = b64encode(sha256(STYLE.encode()).digest()).decode()
HEADERS = {
    **NOT_KEPT_NOR_TOLD,
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; base-uri 'none';"
        " frame-ancestors 'none'"
    ),
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
}


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("fhir_api.smart"), autoescape=True, undefined=StrictUndefined
    )


def page(name: str, title: str, status: int = 200, **values: Any) -> HTMLResponse:  # noqa: ANN401 - a template's values
    """The page of that template; whatever ``values`` hold is escaped."""
    rendered = (
        _environment()
        .get_template(f"{name}.html.j2")
        .render(
            software=SOFTWARE,
            style=Markup(STYLE),  # noqa: S704 - a constant
            title=title,
            **values,
        )
    )
    return HTMLResponse(rendered, status, HEADERS)


def notice(title: str, text: str, status: int) -> HTMLResponse:
    """What went wrong, and what a person can do about it."""
    return page("notice", title, status, text=text)


def onward(title: str, text: str, url: str) -> HTMLResponse:
    """A page that goes on to ``url`` by itself.

    Not a redirect: browsers hold a form to the CSP's form-action through all redirects that follow it, and those to
    the issuer and to the app are not of this server (https://www.w3.org/TR/CSP3/#directive-form-action).
    """
    return page("onward", title, url=url, text=text)
