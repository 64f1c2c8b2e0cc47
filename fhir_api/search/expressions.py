"""The FHIRPath that R4's search parameters are written in, as data (https://hl7.org/fhir/R4/searchparameter.html).

A small part of FHIRPath is enough for all of them: member paths, unions, ``as``, ``ofType``, an index, ``where`` with
an equality, with ``resolve() is`` or with ``hasExtension``, ``extension(url)``, and one question about presence.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias


class UnsupportedExpression(ValueError):
    """The expression is outside the part of FHIRPath that is read here."""


@dataclass(frozen=True, slots=True)
class Member:
    """The child elements called ``name``; with ``index``, only the one at that place, counted from 0."""

    name: str
    index: int | None = None


@dataclass(frozen=True, slots=True)
class OfType:
    """Those values that are of ``type``: ``as(Quantity)``, ``as Quantity``, ``ofType(Quantity)``."""

    type: str


@dataclass(frozen=True, slots=True)
class WhereEquals:
    """Those whose child ``member`` is ``value``: ``where(system='phone')``."""

    member: str
    value: str


@dataclass(frozen=True, slots=True)
class WhereResolves:
    """Those references that point at a ``type``: ``where(resolve() is Patient)``."""

    type: str


@dataclass(frozen=True, slots=True)
class WhereExtension:
    """Those that have the extension: ``where(hasExtension('…'))``."""

    url: str


@dataclass(frozen=True, slots=True)
class ExtensionValue:
    """The values of the extension with this url: ``extension('…').value``, and ``extension('…')`` as R4 has it."""

    url: str


@dataclass(frozen=True, slots=True)
class PresentAndNotFalse:
    """True where child ``name`` has a value other than false, else false: ``x.exists() and x != false``."""

    name: str


Step: TypeAlias = (
    Member
    | OfType
    | WhereEquals
    | WhereResolves
    | WhereExtension
    | ExtensionValue
    | PresentAndNotFalse
)
Path: TypeAlias = tuple[Step, ...]

_MISSPELT = {"DateTime": "dateTime"}
"""Names of types as R4's expressions write them → as they are."""

_TOKEN = re.compile(r"\s*(?:([A-Za-z]\w*)|('[^']*')|(\d+)|(\|)|([().=\[\]]))")
_PRESENCE = re.compile(r"(?P<path>[A-Za-z.]+)\.exists\(\) and (?P=path) != false")


def parse(expression: str) -> tuple[Path, ...]:
    """The alternatives of the expression's union.

    The first step of each names the type it starts at, or is a member where the expression is a component's.

    Raises:
        UnsupportedExpression: it says something that no R4 search parameter says.
    """
    presence = _PRESENCE.fullmatch(expression)
    if presence:
        path, _, name = presence["path"].rpartition(".")
        return _extended(parse(path), PresentAndNotFalse(name))
    return _Parser(expression).union_to_end()


class _Parser:
    def __init__(self, expression: str) -> None:
        self._expression = expression
        self._tokens: list[str] = []
        position = 0
        while position < len(expression.rstrip()):
            match = _TOKEN.match(expression, position)
            if match is None:
                raise UnsupportedExpression(expression)
            self._tokens.append(match[0].strip())
            position = match.end()

    def union_to_end(self) -> tuple[Path, ...]:
        paths = self._union()
        if self._tokens:
            raise UnsupportedExpression(self._expression)
        return paths

    def _union(self) -> tuple[Path, ...]:
        paths = self._cast()
        while self._next_is("|"):
            self._take("|")
            paths += self._cast()
        return paths

    def _cast(self) -> tuple[Path, ...]:
        paths = self._invocations()
        if self._next_is("as"):
            self._take("as")
            paths = _extended(paths, OfType(self._type()))
        return paths

    def _invocations(self) -> tuple[Path, ...]:
        if self._next_is("("):
            self._take("(")
            paths = self._union()
            self._take(")")
        else:
            paths = ((Member(self._name()),),)
        while self._next_is(".") or self._next_is("["):
            if self._next_is("["):
                (path,) = paths
                paths = ((*path[:-1], self._indexed(path[-1])),)
            else:
                self._take(".")
                paths = _extended(paths, self._invocation())
        return paths

    def _invocation(self) -> Step:
        name = self._name()
        if not self._next_is("("):
            return Member(name)
        self._take("(")
        step: Step
        if name in ("as", "ofType"):
            step = OfType(self._type())
        elif name == "extension":
            step = ExtensionValue(self._string())
        elif name == "where":
            step = self._criterion()
        else:
            raise UnsupportedExpression(self._expression)
        self._take(")")
        return step

    def _indexed(self, step: Step) -> Step:
        self._take("[")
        index = self._tokens.pop(0) if self._tokens else ""
        if not isinstance(step, Member) or not index.isdecimal():
            raise UnsupportedExpression(self._expression)
        self._take("]")
        return Member(step.name, int(index))

    def _criterion(self) -> Step:
        name = self._name()
        if name == "resolve":
            for token in ("(", ")", "is"):
                self._take(token)
            return WhereResolves(self._name())
        if name == "hasExtension":
            self._take("(")
            step = WhereExtension(self._string())
            self._take(")")
            return step
        self._take("=")
        return WhereEquals(name, self._string())

    def _next_is(self, token: str) -> bool:
        return bool(self._tokens) and self._tokens[0] == token

    def _take(self, token: str) -> None:
        if not self._next_is(token):
            raise UnsupportedExpression(self._expression)
        self._tokens.pop(0)

    def _name(self) -> str:
        if not self._tokens or not self._tokens[0][0].isalpha():
            raise UnsupportedExpression(self._expression)
        return self._tokens.pop(0)

    def _type(self) -> str:
        name = self._name()
        return _MISSPELT.get(name, name)

    def _string(self) -> str:
        if not self._tokens or self._tokens[0][0] != "'":
            raise UnsupportedExpression(self._expression)
        return self._tokens.pop(0)[1:-1]


def _extended(paths: tuple[Path, ...], step: Step) -> tuple[Path, ...]:
    return tuple(_followed(path, step) for path in paths)


def _followed(path: Path, step: Step) -> Path:
    said_already = step == Member("value") and isinstance(path[-1], ExtensionValue)
    return path if said_already else (*path, step)
