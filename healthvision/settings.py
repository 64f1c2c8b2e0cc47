"""Everything that an operator can set, read once from ``HEALTHVISION_*`` variables.

Nothing else reads the environment. An empty environment is a complete embedded server: loopback only, data below
the working directory, a random token printed at start.
"""

from __future__ import annotations

import os
import re
import secrets
from enum import StrEnum
from ipaddress import ip_network
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from fhir_api.http import MOST_PARAMETERS
from healthvision.errors import SettingsError
from healthvision.secret_files import SettingsWithSecretFiles

_ORIGIN = re.compile(
    r"\*|https?://[A-Za-z0-9.\-]+(:[0-9]{1,5})?|https?://\[[0-9a-f:]+\](:[0-9]{1,5})?"
)

_S = TypeVar("_S", bound=BaseSettings)

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
WILDCARDS = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared with, not listened on


class OutOfScope(StrEnum):
    """What happens to a study outside the population that a model was trained on."""

    CAUTION = "caution"
    REJECT = "reject"


class EngineChoice(StrEnum):
    """Which engine runs the models. AUTO takes what is fastest on this machine."""

    AUTO = "auto"
    ONNX = "onnx"
    TORCH = "torch"


class UnknownProfiles(StrEnum):
    """What a resource that claims a profile that is not loaded is: accepted with a warning, or refused."""

    WARNING = "warning"
    ERROR = "error"


class References(StrEnum):
    """Whether a resource is refused that refers to one that is not here."""

    UNCHECKED = "unchecked"
    EXIST = "exist"


class Audit(StrEnum):
    """Whether every access makes AuditEvents."""

    ON = "on"
    OFF = "off"


class AuditSync(StrEnum):
    """When the audit of what changed nothing is on disk: within 100 ms, or before the answer."""

    SOON = "soon"
    BEFORE_ANSWER = "before-answer"


class Settings(SettingsWithSecretFiles):
    """One deployment's settings."""

    model_config = SettingsConfigDict(env_prefix="HEALTHVISION_", frozen=True, extra="ignore")

    host: str = Field("127.0.0.1", description="Address the server listens on")
    port: int = Field(
        8000, ge=0, le=65535, description="Port the server listens on; 0 takes a free one"
    )
    data_dir: Path = Field(Path("data"), description="Folder of the embedded store and its blobs")
    token: str = Field(
        default_factory=lambda: secrets.token_urlsafe(32),
        min_length=8,
        repr=False,
        description="Bearer token of the operator; random and printed at start where it is not set",
    )
    token_file: Path | None = Field(None, description="File that holds it, where it is not set")
    worker_token: str = Field(
        default_factory=lambda: secrets.token_urlsafe(32),
        min_length=8,
        repr=False,
        description="Bearer token of workers; random where it is not set (workers that serve starts are told it)",
    )
    worker_token_file: Path | None = Field(
        None, description="File that holds it, where it is not set"
    )
    worker_key_file: Path | None = Field(
        None,
        description="Private key (PEM: P-384, or RSA) with which `healthvision worker` proves itself, instead of a token",
    )
    worker_client_id: str = Field(
        "ai-worker",
        min_length=1,
        description="The worker's client at the issuer, where it has a key",
    )
    base_url: str | None = Field(
        None,
        description="The server's address as clients see it, without /fhir; else made of host and port",
    )
    oidc_insecure_http: bool = Field(
        False,  # noqa: FBT003 - a default
        description="Whether the issuer may be asked over http beyond this machine, where anybody on the way can forge keys",
    )
    oidc_issuer: str | None = Field(
        None,
        description="Issuer whose access tokens are taken: https://…/realms/NAME of a Keycloak; none by default",
    )
    oidc_audience: str | None = Field(
        None,
        validate_default=True,
        description="What aud of the issuer's tokens has to name; else this server's FHIR base",
    )
    oidc_clock_skew_s: float = Field(
        30.0,
        ge=0,
        le=300,
        description="Seconds by which clocks may differ when a token is looked at",
    )
    smart_client_id: str = Field(
        "fhir-server",
        min_length=1,
        description="This server's own client at the issuer: signs users in before a page shows them patients",
    )
    smart_client_secret: str = Field(
        "", repr=False, description="Secret of that client; none where it is a public one"
    )
    smart_client_secret_file: Path | None = Field(
        None, description="File that holds it, where it is not set"
    )
    launch_clients: str = Field(
        "ehr-portal",
        description="Clients that may make SMART launches, with commas between: the EHR",
    )
    body_limit_bytes: int = Field(
        64 * 2**20, ge=1024, description="Largest body of a FHIR request that is not a raw Binary"
    )
    upload_limit_bytes: int = Field(
        8 * 2**30, ge=1024, description="Largest upload of images, and largest raw Binary"
    )
    url_limit_bytes: int = Field(
        16 * 1024, ge=256, description="Longest URL, path and query, of a FHIR request"
    )
    header_limit_bytes: int = Field(
        64 * 1024, ge=1024, description="Largest head of a request: its first line and its headers"
    )
    parameter_limit: int = Field(
        1000, ge=1, le=MOST_PARAMETERS, description="Most parameters of a query or form"
    )
    nesting_limit: int = Field(
        64, ge=8, le=250, description="Objects and arrays that may stand inside each other"
    )
    bundle_entry_limit: int = Field(
        10_000, ge=1, description="Most entries of a batch or transaction"
    )
    request_limit: int = Field(
        1000, ge=1, description="Requests under way at once in each API process; more get 503"
    )
    patience_s: float = Field(
        30.0,
        gt=0,
        description="Seconds for a request's head, for each stretch of its body, and for a reader who does not read",
    )
    client_rate: int = Field(
        120_000,
        ge=0,
        description="Requests a minute of one client in each API process, more get 429; 0: no limit. Not of the two tokens above",
    )
    user_rate: int = Field(
        30_000,
        ge=0,
        description="Requests a minute of one user in each API process, over all clients; 0: no limit",
    )
    failure_rate: int = Field(
        120,
        ge=0,
        description="Tokens a minute that may turn out to be invalid, from one address in each API process, and client secrets at /auth/token; 0: no limit",
    )
    tls_cert_file: Path | None = Field(
        None, description="Certificate chain (PEM): the server speaks https itself"
    )
    tls_key_file: Path | None = Field(
        None, validate_default=True, description="Its private key (PEM, no passphrase)"
    )
    trusted_proxies: str = Field(
        "",
        description="Addresses or networks whose X-Forwarded-For and -Proto are believed, with commas between; none by default",
    )
    require_if_match: bool = Field(
        False,  # noqa: FBT003 - a default
        description="Whether changing a resource by its id takes If-Match (else 428); workers are exempt",
    )
    delete_multiple: bool = Field(
        False,  # noqa: FBT003 - a default
        description="Whether a conditional delete takes all its matches, not only a single one",
    )
    job_keep_s: float = Field(
        24 * 3600.0,
        gt=0,
        description="Seconds for which the answer to Prefer: respond-async can be fetched",
    )
    cors_origins: str = Field(
        "",
        description="Origins of browser apps that may call, with commas between; * for all; none by default",
    )
    page_size: int = Field(
        20, ge=1, description="Entries on a search page where _count is not given"
    )
    page_size_limit: int = Field(1000, ge=1, description="Largest _count that is honoured")
    search_limit_s: float = Field(
        10.0, gt=0, description="Seconds after which a search is broken off as too costly"
    )
    chain_limit: int = Field(
        4,
        ge=1,
        le=8,
        description="References that one search parameter may lead over (chains, _has)",
    )
    include_limit: int = Field(
        1000, ge=1, description="Resources that includes may add to a search page"
    )
    ig_dir: Path | None = Field(
        None,
        description="Folder of implementation guides to load: FHIR packages (.tgz) and folders of JSON",
    )
    unknown_profiles: UnknownProfiles = Field(
        UnknownProfiles.WARNING,
        description="A meta.profile that is not loaded: a warning of $validate, or an error of every write",
    )
    references: References = Field(
        References.UNCHECKED,
        description="Whether what a resource refers to on this server has to exist when it is written",
    )
    audit: Audit = Field(Audit.ON, description="Whether every access makes AuditEvents")
    audit_sync: AuditSync = Field(
        AuditSync.SOON,
        description="When the audit of a read is on disk: within 100 ms (soon), or before-answer, to survive power loss",
    )
    audit_checkpoint_s: float = Field(
        60.0, gt=0, description="Seconds between signed checkpoints of the audit's chain"
    )
    audit_checkpoint_file: Path | None = Field(
        None,
        description="File that checkpoints are appended to, best where this machine cannot change it; else beside the data",
    )
    engine: EngineChoice = Field(EngineChoice.AUTO, description="Engine that runs the models")
    out_of_scope: OutOfScope = Field(
        OutOfScope.CAUTION,
        description="Studies outside a model's population: answered with a caution, or rejected",
    )
    attempt_limit: int = Field(5, ge=1, description="Attempts at a Task before it fails for good")
    lease_s: float = Field(
        30.0, gt=1, description="Seconds without a heartbeat after which a Task goes back"
    )
    log_level: str = Field("info", description="debug, info, warning or error")

    @field_validator("data_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("base_url")
    @classmethod
    def _http(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https://")
        return value.rstrip("/") if value else None

    @field_validator("oidc_issuer")
    @classmethod
    def _is_issuer(cls, value: str | None, given: ValidationInfo) -> str | None:
        if not value:
            return None
        try:
            url = urlsplit(value)
        except ValueError:
            url = urlsplit("")
        is_plain = not (url.query or url.fragment or url.username)
        if url.scheme not in {"http", "https"} or not url.hostname or not is_plain:
            raise ValueError("must be the URL of an issuer, such as https://host/realms/NAME")
        is_safe = url.scheme == "https" or url.hostname in LOOPBACK
        if not is_safe and not given.data.get("oidc_insecure_http"):
            raise ValueError(
                "must begin with https:// beyond this machine (or allow it with HEALTHVISION_OIDC_INSECURE_HTTP)"
            )
        return value

    @field_validator("oidc_audience")
    @classmethod
    def _is_known(cls, value: str | None, given: ValidationInfo) -> str | None:
        is_base_known = given.data.get("base_url") or given.data.get("host") not in WILDCARDS
        if given.data.get("oidc_issuer") and not value and not is_base_known:
            raise ValueError(
                "must be set, or HEALTHVISION_BASE_URL, where the server listens on every address"
            )
        return value or None

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, value: str) -> str:
        if any(_ORIGIN.fullmatch(one) is None for one in value.replace(" ", "").split(",") if one):
            raise ValueError("must be origins such as https://app.example.org, or *")
        return value.replace(" ", "")

    @field_validator("tls_key_file")
    @classmethod
    def _goes_with_certificate(cls, value: Path | None, given: ValidationInfo) -> Path | None:
        if (value is None) != (given.data.get("tls_cert_file") is None):
            raise ValueError("goes with HEALTHVISION_TLS_CERT_FILE: set both, or neither")
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, value: str) -> str:
        named = [one for one in value.replace(" ", "").split(",") if one]
        try:
            for one in named:
                ip_network(one)
        except ValueError:
            raise ValueError("must be addresses or networks such as 10.0.0.0/8") from None
        return ",".join(named)

    @field_validator("launch_clients")
    @classmethod
    def _without_spaces(cls, value: str) -> str:
        return value.replace(" ", "")

    @field_validator("log_level")
    @classmethod
    def _known_level(cls, value: str) -> str:
        if value.lower() not in {"debug", "info", "warning", "error"}:
            raise ValueError("must be debug, info, warning or error")
        return value.lower()

    def child_environment(self) -> dict[str, str]:
        """The environment for a process that has to work with just these settings."""
        values = {
            f"HEALTHVISION_{name.upper()}": str(value)
            for name, value in self.model_dump(mode="json").items()
            if value is not None
        }
        return {**os.environ, **values}

    @property
    def allowed_origins(self) -> frozenset[str]:
        """The origins that ``cors_origins`` lists."""
        return frozenset(one for one in self.cors_origins.split(",") if one)

    @property
    def is_token_set(self) -> bool:
        """Whether the operator chose the token, so that it need not be printed."""
        return "token" in self.model_fields_set

    @property
    def fhir_url(self) -> str:
        """The FHIR base that stored references are read against; empty where only each client knows how it came."""
        if self.base_url is None and self.host in WILDCARDS:
            return ""
        return f"{self.public_url}/fhir"

    @property
    def public_url(self) -> str:
        """The server's address as clients see it, without a trailing slash."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        scheme = "https" if self.tls_cert_file else "http"
        return self.base_url or f"{scheme}://{host}:{self.port}"


class KeycloakSettings(SettingsWithSecretFiles):
    """What ``healthvision keycloak`` needs beside: an administrator's credential, which no server process is told."""

    model_config = SettingsConfigDict(
        env_prefix="HEALTHVISION_KEYCLOAK_", frozen=True, extra="ignore"
    )

    url: str = Field("http://127.0.0.1:8080", description="Keycloak's address, without /realms")
    realm: str = Field(
        "healthvision", pattern=r"^[A-Za-z0-9_\-]{1,64}$", description="Realm of the server's users"
    )
    admin: str = Field("admin", description="Administrator: a user of Keycloak's master realm")
    admin_client: str | None = Field(
        None, description="Client of the master realm with a service account, instead of a user"
    )
    admin_secret: str | None = Field(
        None, repr=False, description="The administrator's password, or the client's secret"
    )
    admin_secret_file: Path | None = Field(
        None, description="File that holds it, where it is not set"
    )
    portal_secret: str | None = Field(
        None, repr=False, min_length=16, description="Secret of the client ehr-portal; else random"
    )
    portal_secret_file: Path | None = Field(
        None, description="File that holds it, where it is not set"
    )
    viewer_redirects: str | None = Field(
        None, description="Redirect URIs of imaging-viewer, with commas between; unset: as they are"
    )
    portal_redirects: str | None = Field(
        None, description="Redirect URIs of ehr-portal, with commas between; unset: as they are"
    )
    worker_jwks_file: Path | None = Field(
        None, description="Public keys of workers (JWK Set), as keycloak keypair writes them"
    )

    @field_validator("url")
    @classmethod
    def _http(cls, value: str) -> str:
        if not value.startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https://")
        return value.rstrip("/")


def load(**overrides: object) -> Settings:
    """Reads the environment; ``overrides`` are what the command line said.

    Raises:
        SettingsError: naming the variable and what is wrong with it.
    """
    given = {key: value for key, value in overrides.items() if value is not None}
    return _loaded(Settings, given, "HEALTHVISION_")


def load_keycloak() -> KeycloakSettings:
    """Reads the environment.

    Raises:
        SettingsError: naming the variable and what is wrong with it.
    """
    return _loaded(KeycloakSettings, {}, "HEALTHVISION_KEYCLOAK_")


def _loaded(kind: type[_S], given: dict[str, object], prefix: str) -> _S:
    try:
        return kind(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors()[0]
        name = prefix + "_".join(str(part) for part in first["loc"]).upper()
        raise SettingsError(f"{name}: {first['msg'][0].lower()}{first['msg'][1:]}.") from None
