"""https://hl7.org/fhir/R4/http.html#read and #cread"""

from tests.fhir_api.client import Client, patient


async def test_read_answers_the_resource_with_etag_and_last_modified(client: Client) -> None:
    id = (await client.post("Patient", patient())).id
    reply = await client.get(f"Patient/{id}")
    assert reply.status == 200
    assert reply.json["identifier"] == patient()["identifier"]
    assert reply.etag == 'W/"1"'
    assert reply.header("last-modified").endswith(" GMT")
    assert reply.header("content-type") == "application/fhir+json; charset=utf-8"


async def test_read_of_an_id_that_was_never_used_is_404(client: Client) -> None:
    reply = await client.get("Patient/none")
    assert (reply.status, reply.code) == (404, "not-found")


async def test_read_of_a_deleted_resource_is_410_with_the_deletions_etag(client: Client) -> None:
    id = (await client.post("Patient", patient())).id
    await client.delete(f"Patient/{id}")
    reply = await client.get(f"Patient/{id}")
    assert (reply.status, reply.code, reply.etag) == (410, "deleted", 'W/"2"')


async def test_read_of_a_type_that_is_none_is_404_not_supported(client: Client) -> None:
    reply = await client.get("Pateint/1")
    assert (reply.status, reply.code) == (404, "not-supported")


async def test_records_of_the_archive_cannot_be_reached(client: Client) -> None:
    assert (await client.get("dicom:instance/1")).status == 404
    assert (await client.get("dicom:instance")).status == 404


async def test_if_none_match_with_the_current_version_is_304_without_a_body(client: Client) -> None:
    id = (await client.post("Patient", patient())).id
    for tag in ('W/"1"', '"1"', 'W/"7", W/"1"', "*"):
        reply = await client.get(f"Patient/{id}", if_none_match=tag)
        assert (reply.status, reply.body, reply.etag) == (304, b"", 'W/"1"')
    assert (await client.get(f"Patient/{id}", if_none_match='W/"2"')).status == 200


async def test_if_modified_since_is_304_until_something_changed(client: Client) -> None:
    created = await client.post("Patient", patient())
    modified = created.header("last-modified")
    url = f"Patient/{created.id}"
    assert (await client.get(url, if_modified_since=modified)).status == 304
    early = "Mon, 01 Jan 2024 00:00:00 GMT"
    assert (await client.get(url, if_modified_since=early)).status == 200
    assert (await client.get(url, if_modified_since="yesterday")).status == 200


async def test_if_none_match_wins_over_if_modified_since(client: Client) -> None:
    """RFC 9110 §13.2.2"""
    created = await client.post("Patient", patient())
    reply = await client.get(
        f"Patient/{created.id}",
        if_none_match='W/"9"',
        if_modified_since=created.header("last-modified"),
    )
    assert reply.status == 200


async def test_elements_and_summary_cut_a_read_and_say_so(client: Client) -> None:
    """https://hl7.org/fhir/R4/search.html#elements"""
    id = (await client.post("Patient", patient(gender="female", birthDate="1970-01-01"))).id
    reply = await client.get(f"Patient/{id}?_elements=gender")
    assert reply.json["gender"] == "female"
    assert "birthDate" not in reply.json
    assert reply.json["meta"]["tag"][0]["code"] == "SUBSETTED"
    assert (await client.get(f"Patient/{id}?_summary=nonsense")).status == 400


async def test_head_is_a_read(client: Client) -> None:
    id = (await client.post("Patient", patient())).id
    reply = await client.ask("HEAD", f"Patient/{id}")
    assert (reply.status, reply.etag) == (200, 'W/"1"')


async def test_vread_answers_each_version_and_410_for_the_deletion(client: Client) -> None:
    """https://hl7.org/fhir/R4/http.html#vread"""
    id = (await client.post("Patient", patient())).id
    await client.put(f"Patient/{id}", patient(id=id, active=True))
    await client.delete(f"Patient/{id}")
    first = await client.get(f"Patient/{id}/_history/1")
    second = await client.get(f"Patient/{id}/_history/2")
    assert "active" not in first.json
    assert second.json["active"] is True
    assert (first.etag, second.etag) == ('W/"1"', 'W/"2"')
    assert second.json["meta"]["versionId"] == "2"
    assert (await client.get(f"Patient/{id}/_history/3")).status == 410
    for version in ("4", "0", "01", "x", "-1", "9" * 30, "١"):
        assert (await client.get(f"Patient/{id}/_history/{version}")).status == 404
