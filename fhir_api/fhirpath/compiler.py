"""Syntax → functions that run on nodes.

Every part of an expression becomes one closure. What can only be true, false or empty becomes a condition, which
needs no collection; ``exists`` and ``empty`` at the end of a path look into the JSON object and visit nothing.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from fhir_api.fhirpath.errors import ExpressionError, TooCostly
from fhir_api.fhirpath.evaluation import Evaluation, Run, Test
from fhir_api.fhirpath.functions import CONDITIONS, FUNCTIONS
from fhir_api.fhirpath.functions.signature import Condition, Function
from fhir_api.fhirpath.nodes import (
    Node,
    children_named,
    has,
    is_known_type,
    is_of_type,
)
from fhir_api.fhirpath.operators import COLLECTIONS, COMPARISONS, LOGIC, at, negated
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
)
from fhir_api.fhirpath.values import (
    FALSE,
    TRUE,
    Quantity,
    calculated,
    equal,
    identity,
    moment,
    singleton,
    truth_of,
)
from terminology.ucum import UCUM

TYPE_FUNCTIONS: Final = frozenset({"is", "as", "ofType"})
VALUE_SETS: Final = "http://hl7.org/fhir/ValueSet/"
STRUCTURES: Final = "http://hl7.org/fhir/StructureDefinition/"


class Compiler:
    """Compiles one text; ``variables`` are the names of constants that each evaluation will bring."""

    def __init__(self, text: str, variables: frozenset[str]) -> None:
        self._text = text
        self._variables = variables

    def _error(self, reason: str, position: int) -> ExpressionError:
        return ExpressionError(reason, self._text, position)

    def collection(self, syntax: Syntax) -> Run:
        """``syntax`` as a function that returns a collection."""
        condition = self._condition(syntax)
        if condition is not None:
            return _collected(condition)
        run = self._run(syntax)
        if isinstance(syntax, Operation) and _is_constant(syntax):
            return _constant(run([], Evaluation(NOTHING, NOTHING, NOTHING)))
        if not isinstance(syntax, Constant) and _is_fixed(syntax):
            return _remembered(run)
        return run

    def _run(self, syntax: Syntax) -> Run:
        match syntax:
            case This():
                return _this
            case Empty():
                return _nothing
            case Index():
                return _index
            case Total():
                return _total
            case Literal():
                return _constant([self._literal(syntax)])
            case Constant():
                return self._named_constant(syntax)
            case Member():
                return self._member(syntax)
            case Call():
                return self._call(syntax)
            case At():
                return at(self.collection(syntax.base), self.collection(syntax.index))
            case TypeOperation():
                return _of_type(
                    self.collection(syntax.operand), self._type(syntax.type, syntax.position)
                )
            case Sign():
                operand = self.collection(syntax.operand)
                if syntax.operator == "+":
                    return operand
                return lambda this, evaluation: negated(operand(this, evaluation))
            case Operation():
                return self._operation(syntax)

    def condition(self, syntax: Syntax) -> Test:
        """``syntax`` as a function that returns true, false or None for empty."""
        found = self._condition(syntax)
        if found is not None:
            return found
        run = self.collection(syntax)
        return lambda this, evaluation: truth_of(run(this, evaluation))

    def _condition(self, syntax: Syntax) -> Test | None:
        """``syntax`` as a condition where it can be nothing else."""
        match syntax:
            case Operation(operator=operator) if operator in LOGIC:
                return LOGIC[operator](self.condition(syntax.left), self.condition(syntax.right))
            case Operation(operator=operator) if operator in COMPARISONS:
                return self._comparison(syntax)
            case Call(name=name) if name in CONDITIONS:
                return self._judgement(syntax)
            case Call(name="is") | TypeOperation(operator="is"):
                operand, type_ = self._type_operation(syntax)
                return _is_type(self.collection(operand), type_)
            case _:
                return None

    def _comparison(self, syntax: Operation) -> Test:
        left = self.collection(syntax.left)
        compare = COMPARISONS[syntax.operator]
        if isinstance(syntax.right, Literal) and syntax.operator in ("=", "!="):
            literal, wanted = self._literal(syntax.right), syntax.operator == "="
            general = _equals_literal(left, literal, wanted)
            if (
                isinstance(syntax.left, Member)
                and syntax.left.is_first
                and type(literal.value) is str
            ):
                return _member_equals(syntax.left.name, literal.value, wanted, general)
            return general
        if syntax.operator == "in" and _is_constant(syntax.right):
            listed = self.collection(syntax.right)([], Evaluation(NOTHING, NOTHING, NOTHING))
            return _is_listed(left, listed)
        right = self.collection(syntax.right)
        return lambda this, evaluation: compare(
            left(this, evaluation), right(this, evaluation), evaluation
        )

    def _judgement(self, syntax: Call) -> Test:
        if syntax.name in ("exists", "empty") and not syntax.arguments:
            wanted = syntax.name == "exists"
            if isinstance(syntax.base, Member) and not self._may_be_type(syntax.base):
                return _presence(self.collection(syntax.base.base), syntax.base.name, wanted)
        if syntax.name == "not" and not syntax.arguments:
            return _negation(self.condition(syntax.base))
        declared = CONDITIONS[syntax.name]
        arguments = self._arguments(syntax, declared)
        judge, base = declared.judge, self.collection(syntax.base)
        return lambda this, evaluation: judge(base(this, evaluation), this, evaluation, arguments)

    def _call(self, syntax: Call) -> Run:
        if syntax.name in TYPE_FUNCTIONS:
            operand, type_ = self._type_operation(syntax)
            return _of_type(self.collection(operand), type_)
        declared = FUNCTIONS.get(syntax.name)
        if declared is None:
            raise self._error(f"There is no function {syntax.name} here", syntax.position)
        arguments = self._arguments(syntax, declared)
        apply, base = declared.apply, self.collection(syntax.base)
        return lambda this, evaluation: apply(base(this, evaluation), this, evaluation, arguments)

    def _arguments(self, syntax: Call, declared: Function | Condition) -> tuple[Run, ...]:
        if not declared.fewest <= len(syntax.arguments) <= declared.most:
            many = f"{declared.fewest} to {declared.most}"
            count = many if declared.fewest != declared.most else str(declared.most)
            raise self._error(f"{syntax.name} takes {count} arguments", syntax.position)
        return tuple(self.collection(argument) for argument in syntax.arguments)

    def _type_operation(self, syntax: Syntax) -> tuple[Syntax, str]:
        if isinstance(syntax, TypeOperation):
            return syntax.operand, self._type(syntax.type, syntax.position)
        assert isinstance(syntax, Call)
        if len(syntax.arguments) != 1:
            raise self._error(f"{syntax.name} takes the name of a type", syntax.position)
        parts: list[str] = []
        argument = syntax.arguments[0]
        while isinstance(argument, Member):
            parts.append(argument.name)
            argument = argument.base
        if not isinstance(argument, This):
            raise self._error(f"{syntax.name} takes the name of a type", syntax.position)
        return syntax.base, self._type(".".join(reversed(parts)), syntax.position)

    def _type(self, name: str, position: int) -> str:
        if not is_known_type(name):
            raise self._error(f"There is no type {name}", position)
        return name

    def _may_be_type(self, syntax: Member) -> bool:
        return syntax.is_first and syntax.name[:1].isupper() and is_known_type(syntax.name)

    def _member(self, syntax: Member) -> Run:
        name, base = syntax.name, self.collection(syntax.base)
        if self._may_be_type(syntax):
            return lambda this, _: [node for node in this if is_of_type(node.type, name)]

        def run(this: list[Node], evaluation: Evaluation) -> list[Node]:
            nodes = base(this, evaluation)
            if len(nodes) == 1:
                found = children_named(nodes[0], name)
            else:
                found = [child for node in nodes for child in children_named(node, name)]
            evaluation.steps -= len(nodes) + len(found)
            if evaluation.steps < 0:
                raise TooCostly("The expression needs more steps than it was given.")
            return found

        return run

    def _operation(self, syntax: Operation) -> Run:
        left, right = self.collection(syntax.left), self.collection(syntax.right)
        apply = COLLECTIONS[syntax.operator]
        return lambda this, evaluation: apply(
            left(this, evaluation), right(this, evaluation), evaluation
        )

    def _literal(self, syntax: Literal) -> Node:
        match syntax.type:
            case "Boolean":
                return TRUE if syntax.value == "true" else FALSE
            case "String":
                return calculated(syntax.value)
            case "Integer":
                return calculated(int(syntax.value))
            case "Decimal":
                return calculated(Decimal(syntax.value))
            case "Quantity":
                return calculated(Quantity(Decimal(syntax.value), syntax.unit))
        found = moment(syntax.value, syntax.type)
        if found is None:
            raise self._error("The calendar has no such date or time", syntax.position)
        return calculated(found)

    def _named_constant(self, syntax: Constant) -> Run:
        name = syntax.name
        if name in ("resource", "rootResource", "context"):
            return _CONSTANTS[name]
        if name in self._variables:
            return lambda _, evaluation: list(evaluation.variables.get(name, ()))
        known = {
            "ucum": UCUM,
            "sct": "http://snomed.info/sct",
            "loinc": "http://loinc.org",
        }.get(name)
        if known is None and name.startswith("vs-"):
            known = VALUE_SETS + name.removeprefix("vs-")
        if known is None and name.startswith("ext-"):
            known = STRUCTURES + name.removeprefix("ext-")
        if known is None:
            raise self._error(f"There is no constant %{name} here", syntax.position)
        return _constant([calculated(known)])


NOTHING: Final = Node({}, "Resource")


def _is_constant(syntax: Syntax) -> bool:
    """Whether it is made of literals alone: ``('a' | 'b')``."""
    if isinstance(syntax, Operation):
        return (
            syntax.operator in COLLECTIONS
            and _is_constant(syntax.left)
            and _is_constant(syntax.right)
        )
    return isinstance(syntax, Literal)


def _is_fixed(syntax: Syntax) -> bool:
    """Whether it is the same throughout an evaluation: ``%resource.code.coding``, whatever ``$this`` is."""
    while isinstance(syntax, Member) or (isinstance(syntax, Call) and not syntax.arguments):
        syntax = syntax.base
    return isinstance(syntax, Constant)


def _remembered(run: Run) -> Run:
    """``run``, which does its work once in an evaluation: so comparing each element with ``%resource`` is linear."""
    key = object()

    def once(this: list[Node], evaluation: Evaluation) -> list[Node]:
        found = evaluation.memory.get(key)
        if found is None:
            found = evaluation.memory[key] = run(this, evaluation)
        return found

    return once


def _this(this: list[Node], _evaluation: Evaluation) -> list[Node]:
    return this


def _nothing(_this: list[Node], _evaluation: Evaluation) -> list[Node]:
    return []


def _index(_this: list[Node], evaluation: Evaluation) -> list[Node]:
    return [calculated(evaluation.index)]


def _total(_this: list[Node], evaluation: Evaluation) -> list[Node]:
    return evaluation.total


_CONSTANTS: Final[dict[str, Run]] = {
    "context": lambda _, evaluation: [evaluation.context],
    "resource": lambda _, evaluation: [evaluation.resource],
    "rootResource": lambda _, evaluation: [evaluation.root],
}


def _constant(nodes: list[Node]) -> Run:
    return lambda _this, _evaluation: nodes


def _collected(condition: Test) -> Run:
    def run(this: list[Node], evaluation: Evaluation) -> list[Node]:
        truth = condition(this, evaluation)
        return [] if truth is None else [TRUE] if truth else [FALSE]

    return run


def _negation(condition: Test) -> Test:
    def test(this: list[Node], evaluation: Evaluation) -> bool | None:
        truth = condition(this, evaluation)
        return None if truth is None else not truth

    return test


def _presence(base: Run, name: str, wanted: bool) -> Test:  # noqa: FBT001
    """``base.name.exists()``, or ``.empty()`` where not ``wanted``."""

    def test(this: list[Node], evaluation: Evaluation) -> bool:
        nodes = base(this, evaluation)
        evaluation.steps -= len(nodes)
        return any([has(node, name) for node in nodes]) is wanted  # noqa: C419 - a list is faster for one

    return test


def _equals_literal(left: Run, literal: Node, wanted: bool) -> Test:  # noqa: FBT001
    value = literal.value if type(literal.value) is str else None

    def test(this: list[Node], evaluation: Evaluation) -> bool | None:
        nodes = left(this, evaluation)
        if len(nodes) != 1:
            return (not wanted) if nodes else None
        found = nodes[0].value
        if value is not None and type(found) is str:
            return (found == value) is wanted
        same = equal(nodes[0], literal)
        return None if same is None else same is wanted

    return test


def _member_equals(name: str, text: str, wanted: bool, general: Test) -> Test:  # noqa: FBT001
    """``name = 'text'`` of an object that holds a text there: no node is made to compare them."""

    def test(this: list[Node], evaluation: Evaluation) -> bool | None:
        if len(this) == 1:
            value = this[0].value
            found = value.get(name) if type(value) is dict else None
            if type(found) is str:
                evaluation.steps -= 1
                return (found == text) is wanted
        return general(this, evaluation)

    return test


def _is_listed(left: Run, listed: list[Node]) -> Test:
    keys = frozenset(identity(node) for node in listed)

    def test(this: list[Node], evaluation: Evaluation) -> bool | None:
        node = singleton(left(this, evaluation))
        return None if node is None else identity(node) in keys

    return test


def _is_type(operand: Run, type_: str) -> Test:
    def test(this: list[Node], evaluation: Evaluation) -> bool | None:
        node = singleton(operand(this, evaluation))
        return None if node is None else is_of_type(node.type, type_)

    return test


def _of_type(operand: Run, type_: str) -> Run:
    return lambda this, evaluation: [
        node for node in operand(this, evaluation) if is_of_type(node.type, type_)
    ]
