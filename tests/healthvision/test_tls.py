"""A server that speaks https itself, and one behind a proxy that does: https://www.rfc-editor.org/rfc/rfc9325"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from healthvision.settings import SettingsError, load
from tests.deployment import OPERATOR_TOKEN, Deployment


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1 that only those trust who are told to, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / "cert.pem", folder / "key.pem"
    cert_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return cert_file, key_file


@contextmanager
def serving(folder: Path, **settings: str) -> Iterator[Deployment]:
    deployment = Deployment(folder / "data", arguments=("--no-worker",), settings=settings)
    deployment.start(wait=False)
    try:
        yield deployment
    finally:
        deployment.stop()


def answered(client: httpx.Client, url: str) -> httpx.Response:
    """The first answer of a server that may still be starting."""
    deadline_s = time.monotonic() + 60
    while True:
        try:
            return client.get(url)
        except httpx.ConnectError:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(0.05)


@pytest.fixture(scope="module")
def https(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of a server with a certificate, and the certificate."""
    folder = tmp_path_factory.mktemp("tls")
    cert_file, key_file = certificate(folder)
    settings = {
        "HEALTHVISION_TLS_CERT_FILE": str(cert_file),
        "HEALTHVISION_TLS_KEY_FILE": str(key_file),
        "SSL_CERT_FILE": str(cert_file),
    }
    with serving(folder, **settings) as deployment:
        url = f"https://127.0.0.1:{deployment.port}"
        with trusting(cert_file) as client:
            assert answered(client, f"{url}/readyz").status_code == 200
        yield url, cert_file


def trusting(cert_file: Path, most: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> httpx.Client:
    """A client of that version of TLS alone."""
    context = ssl.create_default_context(cafile=str(cert_file))
    context.minimum_version = context.maximum_version = most
    if most < ssl.TLSVersion.TLSv1_2:
        context.set_ciphers("ALL:@SECLEVEL=0")  # else this client would refuse by itself
    headers = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}
    return httpx.Client(verify=context, trust_env=False, headers=headers, timeout=30)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_the_server_speaks_https_and_says_so(
    https: tuple[str, Path], version: ssl.TLSVersion
) -> None:
    url, cert_file = https
    with trusting(cert_file, version) as client:
        answer = client.get(f"{url}/fhir/metadata")
        assert answer.json()["implementation"]["url"] == f"{url}/fhir"
        assert answer.headers["strict-transport-security"]
        made = client.post(f"{url}/fhir/Patient", json={"resourceType": "Patient"})
        assert made.headers["location"].startswith(f"{url}/fhir/Patient/")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
def test_old_versions_of_tls_are_refused(https: tuple[str, Path]) -> None:
    url, cert_file = https
    with (
        trusting(cert_file, ssl.TLSVersion.TLSv1_1) as client,
        pytest.raises(httpx.ConnectError, match=r"EOF|alert"),
    ):
        client.get(f"{url}/healthz")


def test_http_is_not_spoken_there(https: tuple[str, Path]) -> None:
    url, _ = https
    with pytest.raises(httpx.TransportError):
        httpx.get(url.replace("https", "http") + "/healthz", trust_env=False)


def test_a_certificate_that_cannot_be_used_stops_the_start(tmp_path: Path) -> None:
    cert_file, _ = certificate(tmp_path)
    (tmp_path / "other").mkdir()
    _, other_key = certificate(tmp_path / "other")
    settings = {
        "HEALTHVISION_TLS_CERT_FILE": str(cert_file),
        "HEALTHVISION_TLS_KEY_FILE": str(other_key),
    }
    deployment = Deployment(tmp_path / "data", arguments=("--no-worker",), settings=settings)
    deployment.start(wait=False)
    assert deployment.process is not None
    assert deployment.process.wait(60) == 2
    assert "do not belong together" in deployment.log()


def test_a_certificate_goes_with_its_key(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="HEALTHVISION_TLS_KEY_FILE"):
        load(tls_cert_file=tmp_path / "cert.pem")
    with pytest.raises(SettingsError, match="HEALTHVISION_TLS_KEY_FILE"):
        load(tls_key_file=tmp_path / "key.pem")


@pytest.mark.parametrize("proxies", ["proxy.example.org", "10.0.0.0/33", "*"])
def test_a_trusted_proxy_is_an_address(proxies: str) -> None:
    with pytest.raises(SettingsError, match="HEALTHVISION_TRUSTED_PROXIES"):
        load(trusted_proxies=proxies)


@pytest.mark.parametrize(("proxies", "status"), [("127.0.0.0/8", 401), ("", 429)])
def test_only_a_named_proxy_says_who_the_client_is(
    tmp_path: Path, proxies: str, status: int
) -> None:
    """A flood through it stops at its own sender; what anybody else says of himself changes nothing."""
    settings = {"HEALTHVISION_TRUSTED_PROXIES": proxies, "HEALTHVISION_FAILURE_RATE": "3"}
    with (
        serving(tmp_path, **settings) as deployment,
        httpx.Client(trust_env=False, timeout=60) as client,
    ):
        assert answered(client, f"{deployment.url}/readyz").status_code == 200

        def guess(sender: str) -> int:
            headers = {"X-Forwarded-For": sender, "Authorization": "Bearer wrong"}
            return client.get(f"{deployment.fhir}/Patient", headers=headers).status_code

        assert [guess("192.0.2.1") for _ in range(4)] == [401, 401, 401, 429]
        assert guess("192.0.2.2") == status
