"""Why a request is not let in, in the words of RFC 6750 (https://www.rfc-editor.org/rfc/rfc6750#section-3).

TokenMissing        no bearer token: 401, and the challenge names no error
TokenRefused        this one proves nothing: 401 invalid_token
IssuerUnreachable   it cannot be checked now, and may be good: 503; the same token may be sent again
"""

from __future__ import annotations

from fhir_api.errors import Category, FhirError

REALM = "HealthVision"
RETRY_AFTER_S = 5


class TokenMissing(FhirError):
    def __init__(self) -> None:
        challenge = ("WWW-Authenticate", f'Bearer realm="{REALM}"')
        text = "This needs a token: Authorization: Bearer …"
        super().__init__(Category.LOGIN, text, "http.Authorization", headers=(challenge,))


class TokenRefused(FhirError):
    def __init__(self, text: str = "The token is not valid.") -> None:
        """``text`` is one of our sentences: it repeats nothing of the token."""
        challenge = f'Bearer realm="{REALM}", error="invalid_token", error_description="{text}"'
        super().__init__(
            Category.LOGIN,
            text,
            "http.Authorization",
            headers=(("WWW-Authenticate", challenge),),
        )


class IssuerUnreachable(FhirError):
    def __init__(self) -> None:
        super().__init__(
            Category.TRANSIENT,
            "The token cannot be checked now: the authorization server does not answer.",
            "http.Authorization",
            headers=(("Retry-After", str(RETRY_AFTER_S)),),
        )
