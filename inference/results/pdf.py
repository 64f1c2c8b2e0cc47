"""The report as a PDF of one A4 page, with the same sentences as the HTML."""

from __future__ import annotations

import io
from collections.abc import Iterable
from functools import lru_cache

from reportlab import rl_config
from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.lib.utils import ImageReader, simpleSplit
from reportlab.pdfgen.canvas import Canvas

from inference.results import particulars, wording
from inference.results.case import Finding, Result

rl_config.useA85 = 0
"""Streams as bytes, not as text: reportlab's encoder in Python takes longer than all the rest of the page."""

_MARGIN = 18 * mm
_WIDTH = A4[0] - 2 * _MARGIN
_INK, _SOFT, _LINE = HexColor("#16202a"), HexColor("#52606d"), HexColor("#d5dce3")
_WARN, _WARN_LINE, _MARK = HexColor("#fff4d6"), HexColor("#b7791f"), HexColor("#0b5cad")
_REGULAR, _BOLD = "Helvetica", "Helvetica-Bold"


def report_pdf(result: Result, radiograph_jpeg: bytes, overlay_jpeg: bytes) -> bytes:
    """The JPEGs are embedded as they are, not decoded again."""
    file = io.BytesIO()
    title = particulars.title(result)
    canvas = Canvas(file, pagesize=A4, pageCompression=1, lang="en")
    canvas.setTitle(title)
    canvas.setAuthor(result.software)
    page = _Page(canvas)
    page.text(title, 17, font=_BOLD)
    finished = result.finished.strftime("%d %B %Y, %H:%M UTC")
    page.text(f"Preliminary report by an AI · {finished}", 9.5, soft=True, after=5)
    page.notice(f"{wording.UNREVIEWED} {wording.NOT_A_DIAGNOSIS}")
    for caution in result.cautions:
        page.notice(f"Caution. {caution.text}")
    for finding in result.findings:
        page.finding(finding)
    page.images(result, radiograph_jpeg, overlay_jpeg)
    page.text(wording.explanation_sentence(result), 8.5, soft=True, after=6)
    page.rows("What was analysed", particulars.subject(result))
    page.rows("What analysed it", particulars.method(result))
    for sentence in (*result.notes, f"{wording.UNREVIEWED} {result.model.intended_use}"):
        page.text(sentence, 8.5, soft=True)
    canvas.save()
    return file.getvalue()


@lru_cache(maxsize=256)
def _lines(text: str, font: str, size: float, width: float) -> list[str]:
    """The text in lines of this width. Most of a report's sentences stand in every other, too."""
    lines: list[str] = simpleSplit(text, font, size, width)
    return lines


class _Jpeg(ImageReader):  # type: ignore[misc]
    """Told from others by its file, not by its pixels: so they need not be decoded to be embedded."""

    def __init__(self, file: bytes) -> None:
        super().__init__(io.BytesIO(file))
        self._file = file
        self._dataA = None  # a JPEG has no transparency

    def getRGBData(self) -> bytes:  # noqa: N802 - reportlab's name
        return self._file


class _Page:
    """A cursor that moves down the page and opens another where there is no room."""

    def __init__(self, canvas: Canvas) -> None:
        self.canvas = canvas
        self.y = A4[1] - _MARGIN

    def room(self, height: float) -> None:
        if self.y - height < _MARGIN:
            self.canvas.showPage()
            self.y = A4[1] - _MARGIN

    def text(
        self, text: str, size: float, *, font: str = _REGULAR, soft: bool = False, after: float = 2
    ) -> None:
        for line in _lines(text, font, size, _WIDTH):
            self.room(size * 1.35)
            self.y -= size * 1.35
            self.canvas.setFillColor(_SOFT if soft else _INK)
            self.canvas.setFont(font, size)
            self.canvas.drawString(_MARGIN, self.y, line)
        self.y -= after

    def notice(self, text: str) -> None:
        size, pad = 9.5, 6.0
        lines = _lines(text, _REGULAR, size, _WIDTH - 4 * pad)
        height = len(lines) * size * 1.35 + 2 * pad
        self.room(height)
        self.y -= height
        self.canvas.setFillColor(_WARN)
        self.canvas.rect(_MARGIN, self.y, _WIDTH, height, stroke=0, fill=1)
        self.canvas.setFillColor(_WARN_LINE)
        self.canvas.rect(_MARGIN, self.y, 3, height, stroke=0, fill=1)
        self.canvas.setFillColor(_INK)
        self.canvas.setFont(_REGULAR, size)
        for number, line in enumerate(lines, start=1):
            at = self.y + height - pad - number * size * 1.35 + size * 0.35
            self.canvas.drawString(_MARGIN + 2 * pad, at, line)
        self.y -= 5

    def finding(self, finding: Finding) -> None:
        self.room(62)
        self.y -= 30
        self.canvas.setFillColor(_INK)
        self.canvas.setFont(_BOLD, 15)
        self.canvas.drawString(_MARGIN, self.y, wording.headline(finding))
        self.canvas.setFont(_BOLD, 19)
        self.canvas.drawRightString(_MARGIN + _WIDTH, self.y, wording.percent(finding.probability))
        self.y -= 14
        self.canvas.setFillColor(_LINE)
        self.canvas.roundRect(_MARGIN, self.y, _WIDTH, 7, 3.5, stroke=0, fill=1)
        self.canvas.setFillColor(_MARK)
        filled = max(_WIDTH * finding.probability, 7)
        self.canvas.roundRect(_MARGIN, self.y, filled, 7, 3.5, stroke=0, fill=1)
        self.canvas.setFillColor(_INK)
        self.canvas.rect(
            _MARGIN + _WIDTH * finding.threshold, self.y - 3, 1.5, 13, stroke=0, fill=1
        )
        self.y -= 13
        self.canvas.setFont(_REGULAR, 8.5)
        self.canvas.setFillColor(_SOFT)
        self.canvas.drawString(_MARGIN, self.y, wording.probability_sentence(finding))
        self.y -= 10

    def images(self, result: Result, *files: bytes) -> None:
        gap = 8.0
        width = (_WIDTH - gap) / 2
        rows, columns = result.explanation.radiograph.shape
        height = min(width * rows / columns, 105 * mm)
        width = height * columns / rows
        self.room(height)
        self.y -= height
        for number, data in enumerate(files):
            at = _MARGIN + number * (width + gap)
            self.canvas.drawImage(_Jpeg(data), at, self.y, width=width, height=height)
        self.y -= 4

    def rows(self, heading: str, rows: Iterable[tuple[str, str]]) -> None:
        self.text(heading, 11, font=_BOLD)
        indent = 34 * mm
        for name, value in rows:
            lines = _lines(value, _REGULAR, 8.5, _WIDTH - indent)
            self.room(len(lines) * 11.5)
            self.canvas.setFont(_REGULAR, 8.5)
            for number, line in enumerate(lines):
                self.y -= 11.5
                self.canvas.setFillColor(_SOFT)
                self.canvas.drawString(_MARGIN, self.y, "" if number else name)
                self.canvas.setFillColor(_INK)
                self.canvas.drawString(_MARGIN + indent, self.y, line)
        self.y -= 6
