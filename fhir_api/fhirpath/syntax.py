"""The parts an expression is made of (https://hl7.org/fhirpath/N1/#grammar)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Literal:
    """``value`` as text; ``type`` is String, Boolean, Integer, Decimal, Date, DateTime, Time or Quantity."""

    type: str
    value: str
    unit: str = ""
    position: int = 0


@dataclass(frozen=True, slots=True)
class Empty:
    """``{}``"""


@dataclass(frozen=True, slots=True)
class This:
    """The element in hand, ``$this``: also what a path begins at where nothing is named."""


@dataclass(frozen=True, slots=True)
class Index:
    """``$index``"""


@dataclass(frozen=True, slots=True)
class Total:
    """``$total``"""


@dataclass(frozen=True, slots=True)
class Constant:
    """``%name``"""

    name: str
    position: int


@dataclass(frozen=True, slots=True)
class Member:
    """``base.name``. A first name may also be the type that the path begins at."""

    base: Syntax
    name: str
    position: int

    @property
    def is_first(self) -> bool:
        return type(self.base) is This


@dataclass(frozen=True, slots=True)
class Call:
    """``base.name(arguments)``"""

    base: Syntax
    name: str
    arguments: tuple[Syntax, ...]
    position: int


@dataclass(frozen=True, slots=True)
class At:
    """``base[index]``"""

    base: Syntax
    index: Syntax


@dataclass(frozen=True, slots=True)
class TypeOperation:
    """``operand is type``, ``operand as type``"""

    operator: str
    operand: Syntax
    type: str
    position: int


@dataclass(frozen=True, slots=True)
class Sign:
    """``-operand``, ``+operand``"""

    operator: str
    operand: Syntax


@dataclass(frozen=True, slots=True)
class Operation:
    """``left operator right``"""

    operator: str
    left: Syntax
    right: Syntax
    position: int


Syntax: TypeAlias = (
    Literal
    | Empty
    | This
    | Index
    | Total
    | Constant
    | Member
    | Call
    | At
    | TypeOperation
    | Sign
    | Operation
)


def parts_of(syntax: Syntax) -> tuple[Syntax, ...]:
    """What stands directly inside it."""
    match syntax:
        case Member(base=base):
            return (base,)
        case Call(base=base, arguments=arguments):
            return (base, *arguments)
        case At(base=base, index=index):
            return (base, index)
        case TypeOperation(operand=operand) | Sign(operand=operand):
            return (operand,)
        case Operation(left=left, right=right):
            return (left, right)
        case _:
            return ()
