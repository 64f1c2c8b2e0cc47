"""The present, the same throughout an evaluation (https://hl7.org/fhirpath/N1/#current-date-and-time-functions)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from fhir_api.fhirpath.evaluation import Evaluation, Run
from fhir_api.fhirpath.functions.signature import Function
from fhir_api.fhirpath.nodes import Node
from fhir_api.fhirpath.values import calculated, moment


def _present(type_: str, shown: Callable[[datetime], str]) -> Function:
    def apply(
        _nodes: list[Node], _this: list[Node], evaluation: Evaluation, _arguments: tuple[Run, ...]
    ) -> list[Node]:
        evaluation.now = evaluation.now or datetime.now(UTC)
        found = moment(shown(evaluation.now), type_)
        return [] if found is None else [calculated(found)]

    return Function(apply)


FUNCTIONS: Final = {
    "now": _present("DateTime", lambda now: now.isoformat(timespec="milliseconds")),
    "timeOfDay": _present("Time", lambda now: now.time().isoformat("milliseconds")),
    "today": _present("Date", lambda now: now.date().isoformat()),
}
