"""What an app finds out before it knows anything: https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html"""

from __future__ import annotations

from pathlib import Path

import httpx

from healthvision.app import build_app
from healthvision.settings import Settings
from tests.fhir_api.smart.hospital import Hospital

ANYWHERE = {"Origin": "https://app.somewhere.test"}


def get(url: str, **headers: str) -> httpx.Response:
    return httpx.get(url, headers=headers, trust_env=False)


def test_the_smart_configuration_names_absolute_urls_and_what_is_there(place: Hospital) -> None:
    """https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html#metadata"""
    answer = get(f"{place.fhir}/.well-known/smart-configuration", Accept="text/html")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    said = answer.json()
    auth = f"{place.url}/auth"
    assert said["issuer"] == place.issuer.url
    assert said["jwks_uri"] == f"{place.issuer.url}/protocol/openid-connect/certs"
    assert said["authorization_endpoint"] == f"{auth}/authorize"
    assert said["token_endpoint"] == f"{auth}/token"
    assert said["introspection_endpoint"] == f"{auth}/introspect"
    assert said["revocation_endpoint"] == f"{auth}/revoke"
    assert said["code_challenge_methods_supported"] == ["S256"]
    assert {"authorization_code", "client_credentials"} <= set(said["grant_types_supported"])
    assert "private_key_jwt" in said["token_endpoint_auth_methods_supported"]
    assert {"RS384", "ES384"} & set(said["token_endpoint_auth_signing_alg_values_supported"])
    assert {"launch", "launch/patient", "openid", "patient/*.rs"} <= set(said["scopes_supported"])
    assert {"launch-ehr", "launch-standalone", "permission-v1", "permission-v2"} <= set(
        said["capabilities"]
    )


def test_it_is_the_same_below_the_root(place: Hospital) -> None:
    below_fhir = get(f"{place.fhir}/.well-known/smart-configuration").json()
    assert get(f"{place.url}/.well-known/smart-configuration").json() == below_fhir


def test_discovery_is_open_to_every_origin_and_the_rest_is_not(place: Hospital) -> None:
    """https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#considerations-for-cross-origin-resource-sharing-cors-support"""
    for path in ("/fhir/.well-known/smart-configuration", "/fhir/metadata"):
        answer = get(place.url + path, **ANYWHERE)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-origin" not in get(f"{place.fhir}/Patient", **ANYWHERE).headers


def test_the_capability_statement_tells_older_apps_the_same(place: Hospital) -> None:
    """https://hl7.org/fhir/smart-app-launch/STU1/conformance/index.html#using-cs"""
    security = get(f"{place.fhir}/metadata").json()["rest"][0]["security"]
    assert security["service"][0]["coding"][0]["code"] == "SMART-on-FHIR"
    [extension] = security["extension"]
    assert extension["url"].endswith("/StructureDefinition/oauth-uris")
    uris = {one["url"]: one["valueUri"] for one in extension["extension"]}
    assert uris["authorize"] == f"{place.url}/auth/authorize"
    assert uris["token"] == f"{place.url}/auth/token"


def test_the_style_says_how_to_look_like_ours(place: Hospital) -> None:
    """https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#styling"""
    assert get(f"{place.url}/auth/style.json").json()["color_text"] == "#1a1a1a"


async def test_without_an_authorization_server_there_is_none(tmp_path: Path) -> None:
    async with build_app(Settings(data_dir=tmp_path)) as app:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://fhir.test") as client:
            answer = await client.get("/fhir/.well-known/smart-configuration")
            assert answer.status_code == 404
            assert answer.json()["resourceType"] == "OperationOutcome"
            assert (await client.post("/auth/token")).status_code == 404
            security = (await client.get("/fhir/metadata")).json()["rest"][0]["security"]
            assert "extension" not in security
