"""One validator serves all threads, from the first resource on."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from fhir_api.validation import Validator

BROKEN = {
    "resourceType": "Observation",
    "status": "done",
    "component": [{"code": {"text": "a"}, "referenceRange": [{"low": {"value": "1"}}]}],
}
PLACES = {
    "Observation.status",
    "Observation.component[0].referenceRange[0].low.value",
    "Observation.code",
}


def test_threads_that_all_ask_first_all_get_the_whole_answer() -> None:
    for _ in range(20):
        validator, start = Validator(), Barrier(4)

        def places(validator: Validator = validator, start: Barrier = start) -> set[str]:
            start.wait()
            found = validator.validate(BROKEN, "Observation")
            return {issue.expression for issue in found if issue.is_error}

        with ThreadPoolExecutor(4) as pool:
            answers = [pool.submit(places) for _ in range(4)]
            assert all(answer.result() == PLACES for answer in answers)
