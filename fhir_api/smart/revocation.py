"""Tokens that end before their time, at once in every process: each looks at every request whether there is news."""

from __future__ import annotations

from contextlib import suppress

import msgspec

from fhir_api.smart.records import Kind
from store.errors import VersionConflict
from store.interface import Commit, Store


class Revocation(msgspec.Struct, frozen=True):
    """Kept until the token would have expired anyhow."""

    expires_us: int


REVOCATIONS: Kind[Revocation] = Kind("smart:revocation", Revocation)
"""By ``jti``."""


async def revoke(store: Store, jti: str, expires_us: int, now_us: int) -> None:
    """From now on no process takes the token; ``expires_us``: when none would have any more. Twice is as good as once.

    Raises:
        StoreError: it could not be written, and the token is still good.
    """
    write = REVOCATIONS.write(jti, Revocation(expires_us), now_us)
    with suppress(VersionConflict):
        await store.commit(Commit(writes=(write,)))
