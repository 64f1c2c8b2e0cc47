"""Text → tokens (https://hl7.org/fhirpath/N1/#lexical-elements)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum, auto
from typing import Final, NamedTuple

from fhir_api.fhirpath.errors import ExpressionError


class Kind(Enum):
    IDENTIFIER = auto()
    QUOTED = auto()
    """A delimited identifier; its text is without the backquotes."""
    STRING = auto()
    NUMBER = auto()
    DATE = auto()
    """A date, a dateTime or a time; its text is without the @."""
    SYMBOL = auto()
    END = auto()


class Token(NamedTuple):
    kind: Kind
    text: str
    position: int


_PARTS: Final = re.compile(
    r"""
      (?P<space>\s+|//[^\n\r]*|/\*.*?\*/)
    | (?P<date>@(?:\d{4}(?:-\d\d(?:-\d\d)?)?(?:T(?:\d\d(?::\d\d(?::\d\d(?:\.\d+)?)?)?(?:Z|[+-]\d\d:\d\d)?)?)?
        |T\d\d(?::\d\d(?::\d\d(?:\.\d+)?)?)?))
    | (?P<number>\d+(?:\.\d+)?)
    | (?P<string>'(?:[^'\\]|\\.)*')
    | (?P<quoted>`(?:[^`\\]|\\.)*`)
    | (?P<identifier>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<symbol>\$this|\$index|\$total|<=|>=|!=|!~|[-+*/&|=~<>.,()\[\]{}%])
    """,
    re.VERBOSE | re.DOTALL,
)
_KINDS: Final = {
    "date": Kind.DATE,
    "number": Kind.NUMBER,
    "string": Kind.STRING,
    "quoted": Kind.QUOTED,
    "identifier": Kind.IDENTIFIER,
    "symbol": Kind.SYMBOL,
}
_ESCAPE: Final = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_ESCAPED: Final = {"f": "\f", "n": "\n", "r": "\r", "t": "\t"}


def tokens_of(text: str) -> Iterator[Token]:
    """The tokens, and a last one of kind END.

    Raises:
        ExpressionError: some character cannot begin a token.
    """
    position = 0
    while position < len(text):
        match = _PARTS.match(text, position)
        if match is None:
            raise ExpressionError("Nothing in FHIRPath begins like this", text, position)
        name = match.lastgroup or ""
        if name != "space":
            yield Token(_KINDS[name], _content(name, match[0], text, position), position)
        position = match.end()
    yield Token(Kind.END, "", position)


def _content(name: str, found: str, text: str, position: int) -> str:
    if name == "date":
        return found[1:]
    if name not in ("string", "quoted"):
        return found

    def character(escape: re.Match[str]) -> str:
        if escape[1]:
            return chr(int(escape[1], 16))
        if escape[2] == "u":
            raise ExpressionError("\\u needs four hexadecimal digits", text, position)
        return _ESCAPED.get(escape[2], escape[2])

    return _ESCAPE.sub(character, found[1:-1])
