"""The report as HTML and PDF: everything a reader must see, and nothing from elsewhere."""

from __future__ import annotations

import re
import zlib
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from inference.results import images, wording
from inference.results.html import report_html
from inference.results.pdf import report_pdf
from tests.inference.results.sample import ADULT, CASE, MODEL, result


def shown(**changes: Any) -> tuple[str, str]:
    """HTML and the PDF's text."""
    made = replace(result(cautions=(ADULT,)), **changes)
    files = images.radiograph_jpeg(made.explanation), images.overlay_jpeg(made.explanation)
    return report_html(made, *files).decode(), pdf_text(report_pdf(made, *files))


def pdf_text(pdf: bytes) -> str:
    """The strings that the pages' content streams draw, in order."""
    assert pdf.startswith(b"%PDF-1.")
    lines = []
    for stream in re.findall(
        rb"/Filter \[ /FlateDecode \][^>]*>>\s*?stream\r?\n(.*?)\s*?endstream", pdf, re.DOTALL
    ):
        content = zlib.decompressobj().decompress(stream)
        lines += [
            re.sub(rb"\\(\d{3})", lambda m: bytes([int(m[1], 8)]), text)
            for text in re.findall(rb"\((.*?)(?<!\\)\) Tj", content, re.DOTALL)
        ]
    return b" ".join(lines).replace(b"\\", b"").decode("cp1252")


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize(
    "sentence",
    [
        wording.UNREVIEWED,
        "97.3 %",
        "61.0 %",
        "Pneumonia: detected",
        "“HealthVision chest radiograph pneumonia”, version 1.0.0",
        MODEL.sha256,
        "The patient is 51 years old",
        "Patient/p1",
        CASE.source,
        "A123",
        "class activation map",
        "HealthVision 0.1.0",
    ],
)
def test_both_say(which: int, sentence: str) -> None:
    assert sentence in " ".join(shown()[which].split())


class Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.tags: set[str] = set()
        self.images: list[dict[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        values = dict(attrs)
        self.sources += [str(values[name]) for name in ("src", "href") if name in values]
        if tag == "img":
            self.images.append(values)


def test_the_html_loads_nothing_and_runs_nothing() -> None:
    html = shown()[0]
    links = Links()
    links.feed(html)
    assert all(source.startswith("data:image/jpeg;base64,") for source in links.sources)
    assert not links.tags & {"script", "iframe", "object", "embed", "link", "form"}
    assert "url(" not in html
    assert "http://" not in html
    assert "https://" not in html


def test_the_html_can_be_read_without_seeing_it() -> None:
    html = shown()[0]
    links = Links()
    links.feed(html)
    assert '<html lang="en">' in html
    assert "<title>" in html
    assert all(image["alt"] for image in links.images)
    assert {"main", "h1", "h2", "figure", "figcaption", "dl"} <= links.tags


def test_what_a_record_says_cannot_become_markup() -> None:
    html, _ = shown(case=replace(CASE, accession='<script>alert("x")</script>'))
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


@pytest.mark.parametrize("accession", ["Ångström", "検査", "x" * 3000, "(\\)"])
def test_any_text_fits_on_the_pdf(accession: str) -> None:
    assert shown(case=replace(CASE, accession=accession))[1]


def test_a_heat_map_without_colour_says_so() -> None:
    plain = replace(result().explanation, coloured=False)
    for form in shown(explanation=plain):
        assert "far enough to be coloured" in " ".join(form.split())


def test_a_wide_and_a_tall_radiograph_fit() -> None:
    from tests.inference.results.sample import explanation

    for rows, columns in ((100, 500), (500, 100)):
        assert shown(explanation=explanation(rows, columns))[1]
