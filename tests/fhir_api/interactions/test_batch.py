"""https://hl7.org/fhir/R4/http.html#brules"""

from tests.fhir_api.client import WORKER, Client, bundle, entry, observation, patient


async def test_each_entry_of_a_batch_stands_alone(client: Client) -> None:
    await client.put("Patient/a", patient(id="a"))
    reply = await client.batch(
        entry("GET", "Patient/a"),
        entry("POST", "Patient", patient("2")),
        entry("POST", "Patient", patient(active="yes")),
        entry("GET", "Patient/none"),
        entry("PUT", "Patient/a", patient(id="a", active=True), ifMatch='W/"9"'),
        entry("GET", "Patient?identifier=urn:test|2"),
        entry("DELETE", "Patient/x"),
        entry("PATCH", "Patient/a", patient()),
    )
    assert (reply.status, reply.json["type"]) == (200, "batch-response")
    answers = reply.json["entry"]
    statuses = [answer["response"]["status"][:3] for answer in answers]
    assert statuses == ["200", "201", "422", "404", "412", "200", "204", "400"]
    assert answers[1]["response"]["location"].startswith("Patient/")
    assert answers[1]["response"]["etag"] == 'W/"1"'
    assert answers[1]["response"]["lastModified"].startswith("20")
    assert answers[2]["response"]["outcome"]["issue"][0]["expression"] == ["Patient.active"]
    # POST comes before GET, whatever the order in the Bundle.
    assert answers[5]["resource"]["total"] == 1


async def test_an_entry_whose_resource_is_none_is_refused_on_its_own(client: Client) -> None:
    await client.put("Patient/a", patient(id="a"))
    for method in ("PATCH", "PUT", "POST"):
        for resource in ("x", 1, [], None, {}, True):
            url = "Patient" if method == "POST" else "Patient/a"
            made = {**entry(method, url), "resource": resource}
            refused, read = (await client.batch(made, entry("GET", "Patient/a"))).json["entry"]
            assert refused["response"]["status"][:3] in {"400", "422"}
            assert read["response"]["status"] == "200 OK"


async def test_each_entry_of_a_batch_is_authorised_on_its_own(client: Client) -> None:
    await client.put("Patient/a", patient(id="a"))
    reply = await client.calling_as(WORKER).batch(
        entry("GET", "Patient/a"),
        entry("DELETE", "Patient/a"),
        entry("POST", "Patient", patient()),
        entry("POST", "Observation", observation("Patient/a")),
    )
    statuses = [answer["response"]["status"][:3] for answer in reply.json["entry"]]
    assert statuses == ["200", "403", "403", "201"]


async def test_prefer_shapes_the_entries_of_a_batch(client: Client) -> None:
    made = entry("POST", "Patient", patient())
    minimal = (await client.batch(made, prefer="return=minimal")).json["entry"][0]
    whole = (await client.batch(made, prefer="return=representation")).json["entry"][0]
    outcome = (await client.batch(made, prefer="return=OperationOutcome")).json["entry"][0]
    assert "resource" not in minimal
    assert whole["resource"]["resourceType"] == "Patient"
    assert outcome["response"]["outcome"]["resourceType"] == "OperationOutcome"


async def test_an_empty_batch_is_answered(client: Client) -> None:
    reply = await client.batch()
    assert reply.json == {"resourceType": "Bundle", "type": "batch-response"}


async def test_a_bundle_that_is_neither_is_refused(client: Client) -> None:
    for body, status in (
        (bundle("collection"), 400),
        (bundle("nonsense"), 400),
        ({"resourceType": "Bundle"}, 400),
        (patient(), 400),
        ({**bundle("batch"), "colour": 1}, 422),
        ({**bundle("batch"), "entry": {}}, 422),
        (bundle("batch", {"resource": patient()}), 400),
        (bundle("batch", {"request": {"method": "FETCH", "url": "Patient/1"}}), 422),
        (bundle("batch", {"request": {"method": "GET"}}), 422),
    ):
        assert (await client.post("", body)).status == status, body


async def test_a_batch_may_name_our_own_absolute_urls_only(client: Client) -> None:
    await client.put("Patient/a", patient(id="a"))
    reply = await client.batch(entry("GET", "http://fhir.test/fhir/Patient/a"))
    assert reply.json["entry"][0]["response"]["status"] == "200 OK"
    reply = await client.batch(entry("GET", "http://other.test/fhir/Patient/a"))
    assert reply.issue["expression"] == ["Bundle.entry[0].request.url"]


async def test_a_batch_inside_a_batch_is_refused(client: Client) -> None:
    reply = await client.batch(entry("POST", "/", bundle("batch")))
    assert reply.json["entry"][0]["response"]["status"].startswith("400")
