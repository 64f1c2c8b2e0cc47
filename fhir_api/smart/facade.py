"""What the SMART façade is made of, passed to its endpoints as one argument (docs/adr/0017)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from fhir_api.access import Authenticate
from fhir_api.api import Api
from fhir_api.rates import Rate
from fhir_api.smart.claims import Claims
from fhir_api.smart.issuer import Issuer


@dataclass(frozen=True, slots=True)
class Facade:
    """One deployment's façade before one authorization server."""

    api: Api
    issuer: Issuer
    authenticate: Authenticate
    verify: Callable[[str], Awaitable[Claims]]
    """The claims of an access token of the issuer. Raises TokenRefused, IssuerUnreachable."""
    public_url: str
    """The server's address as clients see it, without a trailing slash."""
    client_id: str
    """The façade's own client at the issuer: it signs users in before a page of ours shows them a patient."""
    client_secret: str = field(default="", repr=False)
    launch_clients: frozenset[str] = frozenset()
    """Clients that may make launches: the EHR."""
    failures: Rate = field(default_factory=lambda: Rate(0))
    """Of clients at the token endpoint that prove nothing, from one address."""

    @property
    def fhir_url(self) -> str:
        return f"{self.public_url}/fhir"

    @property
    def auth_url(self) -> str:
        return f"{self.public_url}/auth"

    @property
    def callback_url(self) -> str:
        """Where the issuer sends users that the façade signs in: to be registered for its client."""
        return f"{self.auth_url}/callback"
