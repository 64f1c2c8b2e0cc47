"""What a launch was granted is kept by its tokens, seen by every process, and ends with them."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from fhir_api.smart.contexts import (
    REFRESH_KEPT_US,
    REFRESH_TOKENS,
    TOKENS,
    LaunchContext,
    context_of,
    context_of_refresh_token,
    renewing,
)
from fhir_api.smart.records import digest, remove_ended
from store.errors import VersionConflict
from store.interface import Commit, HistoryQuery
from store.sqlite import SqliteStore

NOW = 1_700_000_000_000_000
MINUTE = 60_000_000
CONTEXT = LaunchContext(
    client="imaging-viewer",
    scope="launch patient/*.rs",
    expires_us=NOW + 5 * MINUTE,
    patient="p1",
    encounter="e1",
    user="Practitioner/1",
    subject="s1",
)


async def keep(store: SqliteStore, jti: str, context: LaunchContext = CONTEXT) -> None:
    await store.commit(Commit(writes=(TOKENS.write(jti, context, NOW),)))


async def test_a_tokens_context_is_found_by_its_jti_and_by_no_other(store: SqliteStore) -> None:
    await keep(store, "onrtac:0b1c")
    assert await context_of(store, "onrtac:0b1c", NOW) == CONTEXT
    assert await context_of(store, "onrtac:0b1d", NOW) is None
    assert await context_of_refresh_token(store, "onrtac:0b1c", NOW) is None


async def test_it_ends_with_the_token(store: SqliteStore) -> None:
    await keep(store, "j")
    assert await context_of(store, "j", CONTEXT.expires_us - 1) is not None
    assert await context_of(store, "j", CONTEXT.expires_us) is None


async def test_a_jti_is_given_one_context_only(store: SqliteStore) -> None:
    await keep(store, "j")
    with pytest.raises(VersionConflict):
        await keep(store, "j", msgspec.structs.replace(CONTEXT, patient="p2"))
    found = await context_of(store, "j", NOW)
    assert found is not None
    assert found.patient == "p1"


async def test_another_process_sees_it_at_once(store: SqliteStore, tmp_path: Path) -> None:
    await keep(store, "j")
    beside = SqliteStore.open(tmp_path / "data")
    assert await context_of(beside, "j", NOW) == CONTEXT
    await beside.close()


async def test_a_refresh_token_is_kept_as_its_digest_for_as_long_as_it_works(
    store: SqliteStore,
) -> None:
    longer = renewing(CONTEXT, NOW, 1800)
    await store.commit(Commit(writes=(REFRESH_TOKENS.write("secret-token", longer, NOW),)))
    assert await context_of_refresh_token(store, "secret-token", NOW + 29 * MINUTE) == longer
    assert await context_of_refresh_token(store, "secret-token", NOW + 30 * MINUTE) is None
    assert await store.read("smart:refresh", "secret-token") is None
    assert renewing(CONTEXT, NOW, 0).expires_us == NOW + REFRESH_KEPT_US


async def test_what_has_ended_is_removed_and_nothing_else(store: SqliteStore) -> None:
    await keep(store, "short")
    await keep(store, "long", msgspec.structs.replace(CONTEXT, expires_us=NOW + 60 * MINUTE))
    assert await remove_ended(store, TOKENS.name, NOW + 10 * MINUTE) == 1
    assert await remove_ended(store, TOKENS.name, NOW + 10 * MINUTE) == 0
    assert await context_of(store, "long", NOW) is not None
    assert await TOKENS.read(store, "short", NOW) is None


async def test_what_was_removed_is_forgotten_in_the_end(store: SqliteStore) -> None:
    for jti in ("j", "last"):
        await keep(store, jti)
    await remove_ended(store, TOKENS.name, NOW + 10 * MINUTE)
    removed = await store.read(TOKENS.name, digest("j"))
    assert removed is not None
    assert removed.deleted
    await remove_ended(store, TOKENS.name, NOW + 120 * MINUTE)
    assert await store.read(TOKENS.name, digest("j")) is None


async def test_one_of_two_gets_a_record_that_is_to_be_used_once(store: SqliteStore) -> None:
    await keep(store, "j")
    kept = await TOKENS.read(store, "j", NOW)
    assert kept is not None
    await store.commit(Commit(writes=(TOKENS.removal(kept, NOW),)))
    with pytest.raises(VersionConflict):
        await store.commit(Commit(writes=(TOKENS.removal(kept, NOW),)))


async def test_no_history_shows_them(store: SqliteStore) -> None:
    await keep(store, "j")
    assert await store.history(HistoryQuery()) == []
