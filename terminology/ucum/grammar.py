"""The grammar of UCUM's case sensitive codes (https://ucum.org/ucum#section-Syntax-Rules).

    term      = ["/"] component (("." | "/") component)*
    component = ("(" term ")" | unit | digits | annotation) annotation*
    unit      = [prefix] atom [exponent]

Operators bind from left to right: ``a/b.c`` is (a/b)·c. As HL7's own validator does, this takes a space in an
annotation, more than one annotation, and a slash at the begin of a parenthesis.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

LONGEST_CODE = 128
LARGEST_EXPONENT = 99
"""No unit in use comes near; beyond it the numbers would be a way to keep a processor busy."""

_TOKEN = re.compile(
    r"(?P<annotation>\{[\x20-\x7a|~]*\})"
    r"|(?P<symbol>10[*^]|(?:[A-Za-z%'\"_]|\[[\x21-\x5a\x5c\x5e-\x7e]+\])+)(?P<exponent>[+-]?[0-9]+)?"
    r"|(?P<number>[0-9]+)"
    r"|(?P<operator>[./()])"
)


class NotUcum(ValueError):
    """The text is no code of UCUM."""


@dataclass(frozen=True, slots=True)
class Factor:
    """A symbol (prefix and atom, not told apart yet) or a number, to a power."""

    symbol: str
    """'' where it is a number."""
    number: int
    exponent: int


def factors(code: str) -> list[Factor]:
    """The factors whose product the code is. Annotations are left out: they have no meaning.

    Raises:
        NotUcum: the code breaks the grammar, or is longer or has a greater exponent than is read here.
    """
    if len(code) > LONGEST_CODE:
        raise NotUcum("too long")
    reader = _Reader(code)
    found = list(reader.term(1))
    if reader.kind:
        raise NotUcum("something follows the end")
    return found


class _Reader:
    """Walks over the code, one token ahead."""

    def __init__(self, code: str) -> None:
        self._code = code
        self._at = 0
        self._next()

    def _next(self) -> None:
        if self._at == len(self._code):
            self.kind, self._text, self._exponent = "", "", ""
            return
        match = _TOKEN.match(self._code, self._at)
        if match is None:
            raise NotUcum("a character that has no place there")
        self._at = match.end()
        self._exponent = match["exponent"] or ""
        kind = match.lastgroup or ""
        self.kind = "symbol" if kind == "exponent" else kind
        self._text = match[self.kind]

    def term(self, sign: int) -> Iterator[Factor]:
        operator = "."
        if self._is("/"):
            operator = "/"
            self._next()
        while True:
            yield from self._component(sign if operator == "." else -sign)
            if not (self._is(".") or self._is("/")):
                return
            operator = self._text
            self._next()

    def _component(self, sign: int) -> Iterator[Factor]:
        if self._is("("):
            self._next()
            yield from self.term(sign)
            if not self._is(")"):
                raise NotUcum("a parenthesis is not closed")
            self._next()
        elif self.kind == "symbol":
            exponent = int(self._exponent or 1)
            if abs(exponent) > LARGEST_EXPONENT:
                raise NotUcum("an exponent that is too large")
            yield Factor(self._text, 1, sign * exponent)
            self._next()
        elif self.kind == "number":
            number = int(self._text)
            if number == 0:
                raise NotUcum("nothing is measured in zeros")
            yield Factor("", number, sign)
            self._next()
        elif self.kind != "annotation":
            raise NotUcum("a unit is missing")
        while self.kind == "annotation":
            self._next()

    def _is(self, operator: str) -> bool:
        return self.kind == "operator" and self._text == operator
