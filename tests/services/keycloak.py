"""A real, unmodified Keycloak as ``tests/services/install`` puts it there: one for a whole test run, or for development.

``python -m tests.services.keycloak`` (``make keycloak``) starts one with a realm and demo users until Ctrl-C.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import psutil

from healthvision.keycloak.admin import Administrator, RealmAdmin
from healthvision.keycloak.bootstrap import bootstrap
from healthvision.keycloak.realm import PORTAL, Site
from tests.deployment import free_port
from tests.services.needs import ARTIFACTS, program, there

HOME = ARTIFACTS / "keycloak-26.4.7"
READY_WITHIN_S = 180.0
GRACE_S = 30.0
ADMINISTRATOR = "admin"
FEW_TYPES = ("DiagnosticReport", "ImagingStudy", "Observation", "Patient", "Task")
"""Types that a test's realm has scopes of; a whole set takes half a minute to make."""


@dataclass(frozen=True, slots=True)
class User:
    """A user of a test's or a developer's realm."""

    name: str
    password: str
    fhir_user: str = ""
    roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Realm:
    """One realm of a running Keycloak. ``url`` is where its users see it; '' where Keycloak is itself."""

    admin: RealmAdmin
    site: Site
    url: str = ""

    @property
    def issuer(self) -> str:
        return f"{self.url or self.admin.url}/realms/{self.admin.realm}"

    def endpoint(self, name: str) -> str:
        """Such as ``token``, ``auth``, ``token/introspect``."""
        return f"{self.issuer}/protocol/openid-connect/{name}"

    def add(self, user: User) -> None:
        """Makes the user, ready to log in."""
        self.admin.post(
            "users",
            {
                "username": user.name,
                "enabled": True,
                "emailVerified": True,
                "email": f"{user.name}@example.org",
                "firstName": user.name.capitalize(),
                "lastName": "Example",
                "attributes": {"fhirUser": [user.fhir_user]} if user.fhir_user else {},
                "credentials": [{"type": "password", "value": user.password, "temporary": False}],
            },
        )
        [found] = self.admin.get("users", username=user.name, exact="true")
        roles = [role for role in self.admin.get("roles") if role["name"] in user.roles]
        self.admin.post(f"users/{found['id']}/role-mappings/realm", roles)


@dataclass(frozen=True, slots=True)
class Keycloak:
    """A running server and who may manage it."""

    url: str
    password: str

    @property
    def administrator(self) -> Administrator:
        return Administrator(ADMINISTRATOR, self.password)

    @contextmanager
    def realm(
        self, site: Site, users: Sequence[User] = (), *, whole: bool = False
    ) -> Iterator[Realm]:
        """A realm of one's own, bootstrapped for a server. It goes with its Keycloak."""
        name = f"test-{uuid.uuid4().hex[:12]}"
        with RealmAdmin(self.url, name, self.administrator) as admin:
            realm = Realm(admin, site if whole else replace(site, types=FEW_TYPES))
            bootstrap(admin, realm.site)
            for user in users:
                realm.add(user)
            yield realm


@contextmanager
def shared_keycloak(directory: Path) -> Iterator[Keycloak]:
    """The Keycloak that every process with the same ``directory`` uses: the first starts it, the last one ends it."""
    there(HOME / "built")
    program("java")
    users = directory / "keycloak-users"
    with _alone(directory):
        if not users.exists():
            _start(directory)
            users.write_text("0")
        users.write_text(str(int(users.read_text()) + 1))
    try:
        started = json.loads((directory / "keycloak.json").read_text())
        yield Keycloak(started["url"], started["password"])
    finally:
        with _alone(directory):
            left = int(users.read_text()) - 1
            users.write_text(str(left))
            if left == 0:
                users.unlink()
                _end(json.loads((directory / "keycloak.json").read_text())["pid"])


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    with (directory / "keycloak-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _start(directory: Path) -> None:
    """Starts it as nobody's child: whichever process comes last ends it."""
    port, password = free_port(), secrets.token_urlsafe(18)
    pid = subprocess.run(
        ["sh", "-c", '"$@" >/dev/null 2>&1 & echo $!', "sh", *_command(directory, port)],
        env=_environment(password),
        stdout=subprocess.PIPE,
        check=True,
        start_new_session=True,
    ).stdout
    url = f"http://127.0.0.1:{port}"
    started = {"url": url, "password": password, "pid": int(pid)}
    (directory / "keycloak.json").write_text(json.dumps(started))
    try:
        wait_until_ready(url, int(pid))
    except BaseException:
        _end(int(pid))
        raise


def _command(directory: Path, port: int) -> list[str]:
    """Keycloak on loopback. It keeps its data, and its log, in ``directory``."""
    return [
        str(HOME / "bin" / "kc.sh"),
        "start",
        "--optimized",
        "--cache=local",
        "--http-enabled=true",
        "--http-host=127.0.0.1",
        f"--http-port={port}",
        "--hostname-strict=false",
        f"--db-url=jdbc:h2:file:{directory / 'keycloak'};NON_KEYWORDS=VALUE",
        "--log=file",
        f"--log-file={directory / 'keycloak.log'}",
    ]


def _environment(password: str) -> dict[str, str]:
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("KC_")},
        "KC_BOOTSTRAP_ADMIN_USERNAME": ADMINISTRATOR,
        "KC_BOOTSTRAP_ADMIN_PASSWORD": password,
        "JAVA_OPTS_KC_HEAP": "-Xms64m -Xmx400m",
        # Half of the machine code is made when a server starts; a quick compiler alone does for a test's few requests.
        "JAVA_OPTS_APPEND": "-XX:TieredStopAtLevel=1",
    }


def wait_until_ready(url: str, pid: int) -> None:
    """Returns when it answers."""
    deadline_s = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline_s:
        assert psutil.pid_exists(pid), "Keycloak ended as it started; see keycloak.log"
        try:
            if httpx.get(f"{url}/realms/master", trust_env=False, timeout=10).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)  # it has no other way to say that it is ready
    raise AssertionError("Keycloak does not answer")


def _end(pid: int) -> None:
    """Ends kc.sh and the Java process below it."""
    try:
        script = psutil.Process(pid)
        family = [script, *script.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    script.send_signal(signal.SIGTERM)
    _, alive = psutil.wait_procs(family, timeout=GRACE_S)
    for process in alive:
        process.kill()


DEMO_USERS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "clinician": ("Practitioner/demo-clinician", ("clinician",)),
    "radiologist": ("Practitioner/demo-radiologist", ("clinician", "radiologist")),
    "auditor": ("Practitioner/demo-auditor", ("auditor",)),
    "operator": ("Practitioner/demo-operator", ("operator",)),
    "patient": ("Patient/demo-patient", ()),
}
LOOPBACK_APPS = ("http://127.0.0.1/*", "http://localhost/*")
"""Any port: https://www.rfc-editor.org/rfc/rfc8252#section-7.3"""


def main() -> None:
    """A Keycloak for development until Ctrl-C; nothing of it is kept.

    ``KEYCLOAK_PORT`` (8080), ``KEYCLOAK_PASSWORD`` (of the administrator, the users and the clients; else each is random,
    and printed), ``KEYCLOAK_FHIR_URL`` (http://127.0.0.1:8000/fhir).
    """
    port = int(os.environ.get("KEYCLOAK_PORT", "8080"))
    fhir_url = os.environ.get("KEYCLOAK_FHIR_URL", "http://127.0.0.1:8000/fhir")
    directory = Path(tempfile.mkdtemp(prefix="keycloak-"))
    url = f"http://127.0.0.1:{port}"
    password = _password()
    process = subprocess.Popen(
        _command(directory, port),
        env=_environment(password),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C reaches this process alone, which ends the other
    )
    try:
        print(f"Keycloak starts at {url} ...", flush=True)
        wait_until_ready(url, process.pid)
        print("It makes the realm healthvision (half a minute) ...", flush=True)
        with RealmAdmin(url, "healthvision", Administrator(ADMINISTRATOR, password)) as admin:
            _furnish(admin, fhir_url, password)
        process.wait()
    except KeyboardInterrupt:
        print("Keycloak ends.")
    finally:
        _end(process.pid)
        shutil.rmtree(directory, ignore_errors=True)


def _furnish(admin: RealmAdmin, fhir_url: str, password: str) -> None:
    """The realm and its people; prints what a developer needs, secrets once."""
    site = Site(
        fhir_url,
        viewer_redirects=LOOPBACK_APPS,
        portal_redirects=LOOPBACK_APPS,
        portal_secret=_password(),
        server_secret=_password(),
    )
    bootstrap(admin, site)
    realm = Realm(admin, site)
    people = [
        User(name, _password(), fhir_user, roles) for name, (fhir_user, roles) in DEMO_USERS.items()
    ]
    for user in people:
        realm.add(user)
    print(f"The server at {fhir_url} is to be started with")
    print(f"  HEALTHVISION_OIDC_ISSUER={realm.issuer}")
    print(f"  HEALTHVISION_SMART_CLIENT_SECRET={_shown(site.server_secret)}")
    print("Users and their passwords, and the secret of the client ehr-portal:")
    for user in (User(ADMINISTRATOR, password, f"{admin.url}/admin"), *people):
        print(f"  {user.name:12} {_shown(user.password):24} {user.fhir_user}")
    print(f"  {PORTAL:12} {_shown(site.portal_secret)}", flush=True)


def _password() -> str:
    return os.environ.get("KEYCLOAK_PASSWORD") or secrets.token_urlsafe(15)


def _shown(secret: str | None) -> str:
    """A secret that came from the environment is known there, and is not printed."""
    return "(KEYCLOAK_PASSWORD)" if os.environ.get("KEYCLOAK_PASSWORD") else str(secret)


if __name__ == "__main__":
    main()
