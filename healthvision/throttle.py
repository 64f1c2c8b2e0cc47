"""Who has to wait: clients and users that ask too much, and addresses that send tokens which prove nothing (ADR 19).

A flood from an address that others use as well, a proxy's, does not lock them out: a token that has been good from there
stays good, and only what has still to be proven waits.
"""

from __future__ import annotations

from contextvars import ContextVar
from functools import lru_cache
from ipaddress import IPv6Address, IPv6Network
from typing import Final

from fhir_api.access import Caller
from fhir_api.rates import Rate, TooOften

ADDRESS: Final[ContextVar[str]] = ContextVar("address", default="")
"""Of the client whose request is being answered: set at the door, read where tokens are looked at."""

MOST_PROVEN: Final = 20_000


class Throttle:
    """One API process's."""

    def __init__(self, clients: Rate, users: Rate, failures: Rate) -> None:
        self._clients = clients
        self._users = users
        self._failures = failures
        self._proven: dict[tuple[bytes, str], None] = {}

    def require_room(self, digest: bytes) -> None:
        """Before a token is looked at.

        Raises:
            TooOften: its address has sent too many that were not good, and this one was never good from there.
        """
        network = network_of(ADDRESS.get())
        wait_s = self._failures.wait_s(network)
        if wait_s and (digest, network) not in self._proven:
            raise TooOften("tokens that are not valid, from this address", wait_s)

    def failed(self) -> None:
        """A token was not good."""
        self._failures.count(network_of(ADDRESS.get()))

    def proven(self, digest: bytes) -> None:
        """A token was good."""
        key = (digest, network_of(ADDRESS.get()))
        if key not in self._proven:
            if len(self._proven) >= MOST_PROVEN:
                del self._proven[next(iter(self._proven))]
            self._proven[key] = None

    def count(self, caller: Caller) -> None:
        """One request more. The deployment's own two tokens are not counted: the server's parts work by them.

        Raises:
            TooOften: of this client, or of this user.
        """
        if caller.scopes is None:
            return
        if wait_s := self._clients.wait_s(caller.id):
            raise TooOften("requests of this client", wait_s)
        if caller.user:
            if wait_s := self._users.wait_s(caller.subject):
                raise TooOften("requests of this user", wait_s)
            self._users.count(caller.subject)
        self._clients.count(caller.id)


@lru_cache(maxsize=4096)
def network_of(address: str) -> str:
    """The address itself; of IPv6 the /64, which one household has whole (RFC 6177)."""
    if ":" not in address:
        return address
    try:
        whole = IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    return str(whole.ipv4_mapped or IPv6Network((int(whole) >> 64 << 64, 64)))
