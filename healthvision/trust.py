"""Whose signed tokens this deployment takes: its own, and those of the issuer that is set."""

from __future__ import annotations

from fhir_api.smart.issuer import Issuer
from fhir_api.smart.local import SEED_BYTES, LocalIssuer
from fhir_api.smart.verification import Trust
from healthvision.keys import derived
from healthvision.settings import Settings


def local_issuer(settings: Settings, key: bytes) -> LocalIssuer | None:
    """The deployment as an issuer, named by its FHIR base; None where it does not know its own address."""
    if not settings.fhir_url:
        return None
    return LocalIssuer(settings.fhir_url, derived(key, "signed tokens")[:SEED_BYTES])


def issuer_of(settings: Settings) -> Issuer | None:
    """The issuer that is set. To be closed."""
    return Issuer(settings.oidc_issuer) if settings.oidc_issuer else None


def trusted(settings: Settings, own: LocalIssuer | None, issuer: Issuer | None) -> dict[str, Trust]:
    """Issuer → on what terms its tokens are taken."""
    trusts = {}
    if issuer is not None:
        audience = settings.oidc_audience or settings.fhir_url
        trusts[issuer.url] = Trust(issuer, audience)
    if own is not None:
        trusts[own.url] = Trust(own, own.url, tells_context=True)
    return trusts
