"""Schemathesis: what ``/openapi.json`` promises, ``/api/v1`` keeps, whatever is sent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.specs.openapi.checks import positive_data_acceptance

from fhir_api.rest.app import routes
from tests.deployment import OPERATOR_TOKEN, Deployment

OPERATIONS = sorted(
    (method, route.path)
    for route in routes.routes
    for method in route.methods  # type: ignore[attr-defined]
)


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder: Path = tmp_path_factory.mktemp("schemathesis")
    deployment = Deployment(folder / "data", arguments=("--no-worker",))
    deployment.start()
    yield deployment
    deployment.kill()


def test_every_route_is_in_the_schema(deployment: Deployment) -> None:
    schema = schemathesis.openapi.from_url(f"{deployment.url}/openapi.json")
    found = {(one.ok().method.upper(), one.ok().path) for one in schema.get_all_operations()}
    assert found == set(OPERATIONS)


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_the_answers_are_those_of_the_schema(
    deployment: Deployment, method: str, path: str
) -> None:
    """No 500, no undocumented status, no answer that breaks its own schema."""
    schema = schemathesis.openapi.from_url(f"{deployment.url}/openapi.json")

    # The decorator of schemathesis' own pytest plugin does not run under pytest 9.
    @given(st.data())
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    def holds(data: st.DataObject) -> None:
        case = data.draw(schema[path][method].as_strategy())
        # A well-formed order for a study that does not exist is refused: the schema cannot know which exist.
        case.call_and_validate(
            headers={"Authorization": f"Bearer {OPERATOR_TOKEN}"},
            excluded_checks=[positive_data_acceptance],
        )

    holds()
