"""How a search is written: parameter names, values with escapes, and prefixes. Nothing here knows a resource type.

https://hl7.org/fhir/R4/search.html#escaping, #prefix and #modifiers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from store.query import Compare

Pairs = list[tuple[str, str]]
"""Names and values in the order sent, percent-decoded; values still with their backslash escapes."""

_ESCAPED = re.compile(r"\\([\\,|$])")
_PIECE = {
    separator: re.compile(rf"(?:\\[\\,|$]|[^{re.escape(separator)}])*", re.DOTALL)
    for separator in (",", "|", "$")
}
_PREFIX = re.compile(r"([A-Za-z]+)(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ParameterName:
    """``code[:modifier][.chain]`` as written."""

    code: str
    modifier: str | None = None
    chain: str | None = None

    @classmethod
    def of(cls, text: str) -> ParameterName:
        """Splits a name; whether such a parameter exists is another question."""
        head, dot, chain = text.partition(".")
        code, colon, modifier = head.partition(":")
        return cls(code, modifier if colon else None, chain if dot else None)


def split(text: str, separator: str) -> list[str]:
    """The parts of ``text`` between unescaped separators (',', '|' or '$'), their escapes kept."""
    if "\\" not in text:
        return text.split(separator)
    parts: list[str] = []
    at, piece = 0, _PIECE[separator]
    while at <= len(text):
        match = piece.match(text, at)
        assert match is not None
        parts.append(match.group())
        at = match.end() + 1
    return parts


def unescape(text: str) -> str:
    r"""``\,`` ``\|`` ``\$`` ``\\`` become the character; any other backslash stands for itself."""
    return _ESCAPED.sub(r"\1", text) if "\\" in text else text


def prefixed(text: str) -> tuple[Compare, str]:
    """The comparison prefix of a date, number or quantity, and the rest.

    Raises:
        ValueError: letters that are no prefix.
    """
    match = _PREFIX.match(text)
    if match is None:
        return Compare.EQ, text
    return Compare(match[1]), match[2]
