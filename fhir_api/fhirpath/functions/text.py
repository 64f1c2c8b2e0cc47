"""Texts (https://hl7.org/fhirpath/N1/#string-manipulation).

Patterns come from profiles that clients may post, so they are run by RE2, whose time is linear in the text.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import re2

from fhir_api.fhirpath.errors import EvaluationError
from fhir_api.fhirpath.evaluation import Evaluation, Run
from fhir_api.fhirpath.functions.signature import Condition, Function, integer, text, text_argument
from fhir_api.fhirpath.nodes import Node
from fhir_api.fhirpath.values import calculated

MAX_TEXT: Final = 1_000_000
CHARACTERS_A_STEP: Final = 1000

Nodes = list[Node]
Arguments = tuple[Run, ...]


def _with_text(make: Callable[[str, str], bool]) -> Condition:
    """A condition on a text and one other."""

    def judge(
        nodes: Nodes, this: Nodes, evaluation: Evaluation, arguments: Arguments
    ) -> bool | None:
        subject = text(nodes)
        other = text_argument(arguments[0], this, evaluation)
        if subject is None or other is None:
            return None
        evaluation.spend(len(subject) // CHARACTERS_A_STEP)
        return make(subject, other)

    return Condition(judge, 1, 1)


def _of_text(make: Callable[[str], Any]) -> Function:
    """A function of a text alone."""

    def apply(nodes: Nodes, _this: Nodes, evaluation: Evaluation, _arguments: Arguments) -> Nodes:
        subject = text(nodes)
        if subject is None:
            return []
        evaluation.spend(len(subject) // CHARACTERS_A_STEP)
        return [calculated(make(subject))]

    return Function(apply)


@lru_cache(maxsize=512)
def pattern_of(pattern: str) -> Any:  # noqa: ANN401 - re2 publishes no types
    """The compiled pattern; the dot matches line ends too, as N1 asks.

    Raises:
        EvaluationError: RE2 cannot read it: it is no pattern, looks ahead or back, or refers to a group.
    """
    options = re2.Options()
    options.dot_nl = True
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as exc:
        raise EvaluationError("The regular expression cannot be read.") from exc


def _index_of(nodes: Nodes, this: Nodes, evaluation: Evaluation, arguments: Arguments) -> Nodes:
    subject, other = text(nodes), text_argument(arguments[0], this, evaluation)
    if subject is None or other is None:
        return []
    return [calculated(subject.find(other))]


def _substring(nodes: Nodes, this: Nodes, evaluation: Evaluation, arguments: Arguments) -> Nodes:
    subject, start = text(nodes), integer(arguments[0], this, evaluation)
    length = integer(arguments[1], this, evaluation) if len(arguments) > 1 else None
    if subject is None or start is None or not 0 <= start < len(subject):
        return []
    end = len(subject) if length is None else start + max(length, 0)
    return [calculated(subject[start:end])]


def _replace(nodes: Nodes, this: Nodes, evaluation: Evaluation, arguments: Arguments) -> Nodes:
    subject = text(nodes)
    old, new = (text_argument(argument, this, evaluation) for argument in arguments)
    if subject is None or old is None or new is None:
        return []
    return [calculated(_bounded(subject.replace(old, new) if _fits(subject, new) else None))]


def _replace_matches(
    nodes: Nodes, this: Nodes, evaluation: Evaluation, arguments: Arguments
) -> Nodes:
    subject = text(nodes)
    pattern, new = (text_argument(argument, this, evaluation) for argument in arguments)
    if subject is None or pattern is None or new is None:
        return []
    evaluation.spend(len(subject) // CHARACTERS_A_STEP)
    if not pattern:
        return [calculated(subject)]
    compiled = pattern_of(pattern)
    fits = _fits(subject, new)
    return [calculated(_bounded(compiled.sub(lambda _: new, subject) if fits else None))]


def _fits(subject: str, new: str) -> bool:
    return (len(subject) + 1) * max(len(new), 1) <= MAX_TEXT or not new


def _bounded(result: str | None) -> str:
    if result is None or len(result) > MAX_TEXT:
        raise EvaluationError(f"A text that is made has at most {MAX_TEXT:,} characters.")
    return result


def concatenated(left: str, right: str) -> str:
    """``left & right``. Raises EvaluationError where that is too long."""
    return _bounded(left + right)


def _to_chars(nodes: Nodes, _this: Nodes, evaluation: Evaluation, _arguments: Arguments) -> Nodes:
    subject = text(nodes) or ""
    evaluation.spend(len(subject))
    return [calculated(character) for character in subject]


def _split(nodes: Nodes, this: Nodes, evaluation: Evaluation, arguments: Arguments) -> Nodes:
    subject, separator = text(nodes), text_argument(arguments[0], this, evaluation)
    if subject is None or not separator:
        return []
    evaluation.spend(len(subject))
    return [calculated(part) for part in subject.split(separator)]


def _join(nodes: Nodes, this: Nodes, evaluation: Evaluation, arguments: Arguments) -> Nodes:
    separator = text_argument(arguments[0], this, evaluation) if arguments else ""
    parts = [found for node in nodes if (found := text([node])) is not None]
    evaluation.spend(len(parts))
    return [calculated(_bounded((separator or "").join(parts)))]


FUNCTIONS: Final = {
    "indexOf": Function(_index_of, 1, 1),
    "join": Function(_join, 0, 1),
    "length": _of_text(len),
    "lower": _of_text(str.lower),
    "replace": Function(_replace, 2, 2),
    "replaceMatches": Function(_replace_matches, 2, 2),
    "split": Function(_split, 1, 1),
    "substring": Function(_substring, 1, 2),
    "toChars": Function(_to_chars),
    "trim": _of_text(str.strip),
    "upper": _of_text(str.upper),
}
CONDITIONS: Final = {
    "contains": _with_text(lambda subject, other: other in subject),
    "endsWith": _with_text(str.endswith),
    "matches": _with_text(lambda subject, other: pattern_of(other).search(subject) is not None),
    "matchesFull": _with_text(
        lambda subject, other: pattern_of(other).fullmatch(subject) is not None
    ),
    "startsWith": _with_text(str.startswith),
}
