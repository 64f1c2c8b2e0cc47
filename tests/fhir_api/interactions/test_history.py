"""https://hl7.org/fhir/R4/http.html#history"""

import dataclasses
from urllib.parse import quote

from tests.fhir_api.client import BASE, Client, observation, patient


def with_clock(client: Client, moments: list[int]) -> Client:
    return dataclasses.replace(
        client, api=dataclasses.replace(client.api, clock=lambda: moments[0])
    )


async def test_history_of_an_instance_is_newest_first_and_tells_how(client: Client) -> None:
    await client.put("Patient/a", patient(id="a"))
    await client.put("Patient/a", patient(id="a", active=True))
    await client.delete("Patient/a")
    await client.put("Patient/b", patient(id="b"))
    bundle = (await client.get("Patient/a/_history")).json
    assert (bundle["type"], bundle["total"]) == ("history", 3)
    methods = [entry["request"]["method"] for entry in bundle["entry"]]
    assert methods == ["DELETE", "PUT", "PUT"]
    statuses = [entry["response"]["status"] for entry in bundle["entry"]]
    assert statuses == ["204 No Content", "200 OK", "201 Created"]
    assert [entry["response"]["etag"] for entry in bundle["entry"]] == [
        'W/"3"',
        'W/"2"',
        'W/"1"',
    ]
    assert "resource" not in bundle["entry"][0]
    assert bundle["entry"][1]["resource"]["active"] is True
    assert {entry["fullUrl"] for entry in bundle["entry"]} == {f"{BASE}/Patient/a"}
    assert bundle["link"][0] == {"relation": "self", "url": f"{BASE}/Patient/a/_history"}


async def test_history_of_a_type_and_of_the_system(client: Client) -> None:
    id = (await client.post("Patient", patient())).id
    await client.post("Observation", observation(f"Patient/{id}"))
    of_type = (await client.get("Patient/_history")).json
    of_all = (await client.get("_history")).json
    assert (of_type["total"], of_all["total"]) == (1, 2)
    assert [entry["resource"]["resourceType"] for entry in of_all["entry"]] == [
        "Observation",
        "Patient",
    ]
    assert of_type["entry"][0]["request"] == {"method": "POST", "url": "Patient"}


async def test_history_of_what_never_was_is_404(client: Client) -> None:
    assert (await client.get("Patient/none/_history")).status == 404
    assert (await client.get("Nonsense/_history")).status == 404


async def test_an_empty_history_has_no_entry(client: Client) -> None:
    bundle = (await client.get("Patient/_history")).json
    assert (bundle["total"], "entry" in bundle) == (0, False)


async def test_pages_of_a_history_neither_lose_nor_double_while_others_write(
    client: Client,
) -> None:
    made = [(await client.put(f"Patient/p{n}", patient(id=f"p{n}"))).id for n in range(7)]
    seen: list[str] = []
    url = "Patient/_history?_count=2"
    while url:
        bundle = (await client.get(url)).json
        seen += [entry["resource"]["id"] for entry in bundle["entry"]]
        await client.post("Patient", patient())
        links = {link["relation"]: link["url"] for link in bundle["link"]}
        url = links.get("next", "").removeprefix(BASE)
    assert seen == made[::-1]


async def test_since_and_count_bound_a_history(client: Client) -> None:
    moments = [0]
    client = with_clock(client, moments)
    for second in range(1, 5):
        moments[0] = second * 1_000_000
        await client.put("Patient/a", patient(id="a", multipleBirthInteger=second))
    url = f"Patient/a/_history?_since={quote('1970-01-01T01:00:03+01:00')}"
    bundle = (await client.get(url)).json
    assert bundle["total"] == 2
    assert (await client.get(f"{url}&_count=0")).json["total"] == 2
    assert "entry" not in (await client.get(f"{url}&_count=0")).json
    bundle = (await client.get(f"{url}&_count=1")).json
    assert len(bundle["entry"]) == 1
    assert "_since=" in bundle["link"][1]["url"]


async def test_at_finds_what_was_current_then(client: Client) -> None:
    moments = [0]
    client = with_clock(client, moments)
    for second in (10, 20, 30):
        moments[0] = second * 1_000_000
        await client.put("Patient/a", patient(id="a", multipleBirthInteger=second))
    moments[0] = 15 * 1_000_000
    await client.put("Patient/b", patient(id="b"))
    moments[0] = 22 * 1_000_000
    await client.delete("Patient/b")

    async def at(url: str, moment: str) -> list[str]:
        bundle = (await client.get(f"{url}/_history?_at={moment}")).json
        return [entry["response"]["location"] for entry in bundle.get("entry", [])]

    a, b = "Patient/a/_history", "Patient/b/_history"
    assert await at("Patient/a", "1970-01-01T00:00:05Z") == []
    assert await at("Patient/a", "1970-01-01T00:00:15Z") == [f"{a}/1"]
    assert await at("Patient/a", "1970-01-01T00:00:20Z") == [f"{a}/2", f"{a}/1"][:1]
    assert await at("Patient/a", "1970-01-01") == [f"{a}/3", f"{a}/2", f"{a}/1"]
    assert set(await at("Patient", "1970-01-01T00:00:21Z")) == {f"{a}/2", f"{b}/1"}
    assert set(await at("Patient", "1970-01-01T00:00:25Z")) == {f"{a}/2"}
    assert await at("Patient", "1970-01-01T00:00:40Z") == [f"{a}/3"]


async def test_parameters_that_are_not_understood_are_400(client: Client) -> None:
    await client.put("Patient/a", patient(id="a"))
    for query in ("_count=x", "_count=-1", "_since=soon", "_at=2020-13", "_count=1&_count=2"):
        assert (await client.get(f"Patient/a/_history?{query}")).status == 400, query
    assert (await client.get("Patient/a/_history?colour=blue")).status == 200
    strict = "handling=strict"
    assert (await client.get("Patient/a/_history?colour=blue", prefer=strict)).status == 400
