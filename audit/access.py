"""One access as it is kept until its AuditEvents are made: plain values, a few microseconds to write down.

What takes time (whose the resources are, the AuditEvents, their hashes) is found out of these later, outside of requests.
"""

from __future__ import annotations

import msgspec


class Actor(msgspec.Struct, frozen=True, array_like=True):
    """Who did it, as the token said."""

    client: str
    user: str = ""
    """``Practitioner/1``; '' for a service."""
    subject: str = ""
    token_id: str = ""
    purpose: str = ""
    """A code of v3-ActReason."""
    roles: tuple[str, ...] = ()


class Target(msgspec.Struct, frozen=True, array_like=True):
    """A version that was shown or written."""

    type: str
    id: str
    version: int
    """0: not known, or there is none."""
    method: str = ""
    """What wrote it: POST, PUT, PATCH, DELETE; '' where it was shown."""


class Access(msgspec.Struct, frozen=True, array_like=True):
    """A request and what came of it. ``targets`` with a method are what its commit wrote."""

    at_us: int
    request_id: str
    trace: str
    """The request's ``traceparent`` (https://www.w3.org/TR/trace-context); '' where it had none."""
    method: str
    path: tuple[str, ...]
    """Below the base, decoded."""
    query: str
    """As it was sent, with a search's form."""
    status: int
    actor: msgspec.Raw
    """An ``Actor``, encoded once for all its requests."""
    address: str
    """The client's network address; '' where it is not known."""
    base_url: str
    targets: tuple[Target, ...] = ()
    bundle: str = ""
    """``batch`` or ``transaction``, of a request that was one."""
    posted: str = ""
    """The AuditEvent that another system sent, as it is kept."""


_encoder = msgspec.json.Encoder()
_access = msgspec.json.Decoder(Access)
_actor = msgspec.json.Decoder(Actor)


def encoded(access: Access) -> bytes:
    """One line of JSON without its end."""
    return _encoder.encode(access)


def decoded(line: bytes) -> Access | None:
    """The access; None where the line is none: it was cut as a process or the power went."""
    try:
        return _access.decode(line)
    except msgspec.MsgspecError:
        return None


def encoded_actor(actor: Actor) -> msgspec.Raw:
    return msgspec.Raw(_encoder.encode(actor))


def decoded_actor(actor: msgspec.Raw) -> Actor:
    return _actor.decode(actor)
