"""Text → syntax, by operator precedence (https://hl7.org/fhirpath/N1/#grammar).

``is`` and ``as`` stand where the grammar has them, below comparison, as the official cases ask; the specification's
table has them above ``|``.
"""

from __future__ import annotations

from typing import Final

from fhir_api.fhirpath.errors import ExpressionError
from fhir_api.fhirpath.syntax import (
    At,
    Call,
    Constant,
    Empty,
    Index,
    Literal,
    Member,
    Operation,
    Sign,
    Syntax,
    This,
    Total,
    TypeOperation,
    parts_of,
)
from fhir_api.fhirpath.tokens import Kind, Token, tokens_of

MAX_LENGTH: Final = 10_000
MAX_DEPTH: Final = 60
MAX_DIGITS: Final = 50
MAX_HEIGHT: Final = 120
"""Steps and operators inside each other: each is a call inside another when the expression runs."""

# fmt: off
PRECEDENCE: Final = {
    "implies": 1, "or": 2, "xor": 2, "and": 3, "in": 4, "contains": 4,
    "=": 5, "~": 5, "!=": 5, "!~": 5, "is": 6, "as": 6, "<": 7, ">": 7, "<=": 7, ">=": 7,
    "|": 8, "+": 9, "-": 9, "&": 9, "*": 10, "/": 10, "div": 10, "mod": 10,
}
CALENDAR_UNITS: Final = frozenset(
    unit + ending
    for unit in ("year", "month", "week", "day", "hour", "minute", "second", "millisecond")
    for ending in ("", "s")
)
# fmt: on


def parse(text: str) -> Syntax:
    """The syntax of a whole expression.

    Raises:
        ExpressionError: the text is none, or is longer or nested deeper than this engine reads.
    """
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"An expression is at most {MAX_LENGTH} characters long", "", 0)
    return _Parser(text).whole()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(tokens_of(text))
        self._at = 0
        self._depth = 0

    def whole(self) -> Syntax:
        found = self._expression(0)
        if self._next.kind is not Kind.END:
            raise self._error("This does not continue the expression")
        if _height(found) > MAX_HEIGHT:
            raise self._error(f"At most {MAX_HEIGHT} steps and operators stand inside each other")
        return found

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _error(self, reason: str) -> ExpressionError:
        return ExpressionError(reason, self._text, self._next.position)

    def _is(self, symbol: str) -> bool:
        return self._next.kind is Kind.SYMBOL and self._next.text == symbol

    def _skip(self, symbol: str) -> None:
        if not self._is(symbol):
            raise self._error(f"'{symbol}' is missing")
        self._at += 1

    def _take(self) -> Token:
        token = self._next
        if token.kind is not Kind.END:
            self._at += 1
        return token

    def _expression(self, above: int) -> Syntax:
        """Everything whose operators bind tighter than precedence ``above``."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._error(f"An expression is nested at most {MAX_DEPTH} levels deep")
        left = self._signed()
        while True:
            token = self._next
            precedence = (
                PRECEDENCE.get(token.text, 0) if token.kind in (Kind.SYMBOL, Kind.IDENTIFIER) else 0
            )
            if precedence <= above:
                self._depth -= 1
                return left
            self._at += 1
            if token.text in ("is", "as"):
                left = TypeOperation(token.text, left, self._type_name(), token.position)
            else:
                right = self._expression(precedence)
                left = Operation(token.text, left, right, token.position)

    def _signed(self) -> Syntax:
        if self._is("-") or self._is("+"):
            operator = self._take().text
            self._depth += 1
            if self._depth > MAX_DEPTH:
                raise self._error(f"An expression is nested at most {MAX_DEPTH} levels deep")
            signed = Sign(operator, self._signed())
            self._depth -= 1
            return signed
        return self._path()

    def _path(self) -> Syntax:
        found = self._term()
        while True:
            if self._is("."):
                self._at += 1
                found = self._invocation(found)
            elif self._is("["):
                self._at += 1
                found = At(found, self._expression(0))
                self._skip("]")
            else:
                return found

    def _invocation(self, base: Syntax) -> Syntax:
        token = self._take()
        if token.kind is Kind.SYMBOL and token.text.startswith("$"):
            return {"$this": base, "$index": Index(), "$total": Total()}[token.text]
        if token.kind not in (Kind.IDENTIFIER, Kind.QUOTED):
            self._at -= 1
            raise self._error("A name is missing")
        if token.kind is Kind.IDENTIFIER and self._is("("):
            return Call(base, token.text, self._arguments(), token.position)
        return Member(base, token.text, token.position)

    def _arguments(self) -> tuple[Syntax, ...]:
        self._skip("(")
        found: list[Syntax] = []
        if not self._is(")"):
            found.append(self._expression(0))
            while self._is(","):
                self._at += 1
                found.append(self._expression(0))
        self._skip(")")
        return tuple(found)

    def _term(self) -> Syntax:
        token = self._next
        if token.kind is Kind.SYMBOL:
            return self._symbol()
        if token.kind is Kind.IDENTIFIER and token.text in ("true", "false"):
            self._at += 1
            return Literal("Boolean", token.text)
        if token.kind in (Kind.IDENTIFIER, Kind.QUOTED):
            return self._invocation(This())
        self._at += 1
        if token.kind is Kind.STRING:
            return Literal("String", token.text, position=token.position)
        if token.kind is Kind.NUMBER:
            return self._number(token)
        if token.kind is Kind.DATE:
            return _moment(token)
        self._at -= 1
        raise self._error("Something is missing here")

    def _symbol(self) -> Syntax:
        if self._is("("):
            self._at += 1
            found = self._expression(0)
            self._skip(")")
            return found
        if self._is("{"):
            self._at += 1
            self._skip("}")
            return Empty()
        if self._is("%"):
            position = self._take().position
            name = self._take()
            if name.kind not in (Kind.IDENTIFIER, Kind.QUOTED, Kind.STRING):
                raise self._error("The name of a constant is missing")
            return Constant(name.text, position)
        for symbol, term in (("$this", This()), ("$index", Index()), ("$total", Total())):
            if self._is(symbol):
                self._at += 1
                return term
        raise self._error("This cannot begin a term")

    def _number(self, token: Token) -> Literal:
        if len(token.text) > MAX_DIGITS:
            raise self._error(f"A number has at most {MAX_DIGITS} digits")
        after = self._next
        if after.kind is Kind.STRING or (
            after.kind is Kind.IDENTIFIER and after.text in CALENDAR_UNITS
        ):
            self._at += 1
            unit = f"'{after.text}'" if after.kind is Kind.STRING else after.text
            return Literal("Quantity", token.text, unit, token.position)
        type_ = "Decimal" if "." in token.text else "Integer"
        return Literal(type_, token.text, position=token.position)

    def _type_name(self) -> str:
        parts = [self._name()]
        while self._is("."):
            self._at += 1
            parts.append(self._name())
        return ".".join(parts)

    def _name(self) -> str:
        if self._next.kind not in (Kind.IDENTIFIER, Kind.QUOTED):
            raise self._error("The name of a type is missing")
        return self._take().text


def _height(syntax: Syntax) -> int:
    """How many parts stand inside each other."""
    level: list[Syntax] = [syntax]
    levels = 0
    while level:
        levels += 1
        level = [inner for outer in level for inner in parts_of(outer)]
    return levels


def _moment(token: Token) -> Literal:
    if token.text.startswith("T"):
        return Literal("Time", token.text[1:], position=token.position)
    type_ = "DateTime" if "T" in token.text else "Date"
    return Literal(type_, token.text.removesuffix("T"), position=token.position)
