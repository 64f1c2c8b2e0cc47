"""What goes wrong between us and a Keycloak's admin interface."""

from __future__ import annotations


class KeycloakError(Exception):
    """The message is one sentence for the operator. It never holds a secret."""
