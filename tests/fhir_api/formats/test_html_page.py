"""What a person's browser is shown: readable, linked, and unable to run anything of what patients' records hold."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from typing import Any

from tests.fhir_api.client import BASE, Client, observation, patient

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


class Page(HTMLParser):
    def __init__(self, body: bytes) -> None:
        super().__init__()
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.text = ""
        self.feed(body.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, Any]]) -> None:
        self.tags.add(tag)
        self.links += [value for name, value in attrs if name == "href"]
        assert not [name for name, _ in attrs if name.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.text += data


async def test_a_browser_sees_a_resource_with_links_to_what_it_refers_to(client: Client) -> None:
    await client.put("Patient/a", patient(id="a"))
    await client.put("Observation/o", observation("Patient/a", id="o"))
    reply = await client.get("Observation/o", accept=BROWSER)
    page = Page(reply.body)
    assert (reply.status, reply.header("content-type")) == (200, "text/html; charset=utf-8")
    assert f"{BASE}/Patient/a?_format=html" in page.links
    assert f"{BASE}/metadata?_format=html" in page.links
    assert f"{BASE}/Observation/o?_format=xml&_pretty=true" in page.links
    assert '"status": "final"' in page.text
    assert "Observation/o" in page.text


async def test_pages_of_a_search_are_linked(client: Client) -> None:
    for number in range(3):
        await client.post("Patient", patient(str(number)))
    page = Page((await client.get("Patient?_count=2&_format=html")).body)
    following = [link for link in page.links if "_page=" in link]
    second = Page((await client.get(following[0].removeprefix(BASE + "/"))).body)
    assert "Bundle: searchset, 1 entry" in second.text


async def test_a_refusal_is_a_sentence(client: Client) -> None:
    reply = await client.get("Patient/nobody", accept=BROWSER)
    assert reply.status == 404
    assert "There is no Patient with this id." in Page(reply.body).text


async def test_nothing_of_a_record_runs_or_leads_away(client: Client) -> None:
    """https://owasp.org/www-community/attacks/xss/"""
    evil = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
    name = [{"family": evil, "given": ["</pre><script>", "javascript:alert(1)", "Patient/<b>"]}]
    link = [{"system": "url", "value": "http://evil.test/"}]
    await client.put("Patient/a", patient(id="a", name=name, telecom=link))
    reply = await client.get("Patient/a", accept=BROWSER)
    page = Page(reply.body)
    assert not {"script", "img", "b"} & page.tags
    assert all(link.startswith(f"{BASE}/") for link in page.links)
    policy = reply.header("content-security-policy")
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    query = await client.get("Patient?_format=html&name=%22%3E%3Cscript%3E")
    assert "script" not in Page(query.body).tags


async def test_the_style_is_the_one_that_the_policy_names(client: Client) -> None:
    reply = await client.get("metadata?_format=html")
    style = re.search(r"<style>(.*)</style>", reply.body.decode(), re.DOTALL)[1]
    digest = b64encode(sha256(style.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in reply.header("content-security-policy")
