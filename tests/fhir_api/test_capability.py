"""https://hl7.org/fhir/R4/capabilitystatement.html"""

from typing import Any

from fhir_api.definitions.elements import RESOURCE_TYPES
from fhir_api.operations.registry import Level, operations
from tests.fhir_api.client import BASE, Client


async def test_metadata_is_a_valid_capability_statement(client: Client) -> None:
    statement = (await client.get("metadata")).json
    issues = client.api.validator.validate(statement, "CapabilityStatement")
    assert [issue for issue in issues if issue.is_error] == []
    assert statement["fhirVersion"] == "4.0.1"
    assert statement["implementation"]["url"] == BASE
    assert statement["software"]["version"]


async def test_metadata_lists_every_type_and_operation_that_is_served(client: Client) -> None:
    (rest,) = (await client.get("metadata")).json["rest"]
    rows = {row["type"]: row for row in rest["resource"]}
    assert set(rows) == RESOURCE_TYPES
    for row in (rest, *rows.values()):
        for operation in row.get("operation", []):
            assert operation["definition"] == operations()[operation["name"]].definition
    for name, operation in operations().items():
        listed = {type for type, row in rows.items() if name in _names(row)}
        below = operation.levels != {Level.SYSTEM}
        assert listed == ((operation.types or RESOURCE_TYPES) if below else set())
        assert (name in _names(rest)) == (Level.SYSTEM in operation.levels)


def _names(row: dict[str, Any]) -> set[str]:
    return {operation["name"] for operation in row.get("operation", [])}


async def test_a_listed_search_parameter_can_be_used(client: Client) -> None:
    values = {"number": "1", "date": "2020", "quantity": "1", "reference": "Patient/1"}
    composites = {"quantity": "x$1", "date": "x$2020"}
    statement = (await client.get("metadata")).json
    for row in statement["rest"][0]["resource"]:
        if row["type"] not in {"Patient", "Observation", "Task", "ImagingStudy"}:
            continue
        for parameter in row["searchParam"]:
            value = values.get(parameter["type"], "x")
            if parameter["type"] == "composite":
                value = composites.get(parameter["name"].rpartition("-")[2], "x$x")
            url = f"{row['type']}?{parameter['name']}={value}"
            reply = await client.get(url, prefer="handling=strict")
            assert reply.status == 200, (url, reply.body)


async def test_metadata_is_cached_by_its_etag(client: Client) -> None:
    first = await client.get("metadata")
    again = await client.get("metadata", if_none_match=first.etag)
    assert (again.status, again.body) == (304, b"")
    assert (await client.get("metadata?_format=json")).status == 200
