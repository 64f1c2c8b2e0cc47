"""Blobs: bytes by their hash, whole or absent, kept while a version names them."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from store.errors import BlobNotFound
from store.interface import Store
from tests.contract.conftest import Opener
from tests.contract.writes import commit, made

FAR_FUTURE_US = 1 << 60
MIB = 1 << 20


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _bytes_of(path: str) -> bytes:
    return Path(path).read_bytes()


async def _chunks(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def _all(stream: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in stream])


@pytest.mark.parametrize(
    "data", [b"", b"x", bytes(range(256)) * 5_000], ids=["empty", "one", "big"]
)
async def test_every_way_in_gives_the_same_blob(store: Store, data: bytes) -> None:
    staged = Path(store.blobs.staging()) / "upload"
    staged.write_bytes(data)
    infos = [
        await store.blobs.put(data),
        await store.blobs.put_stream(_chunks(data[:7], b"", data[7:])),
        await store.blobs.put_file(str(staged)),
    ]
    assert {(info.sha256, info.size_bytes) for info in infos} == {(_sha256(data), len(data))}
    assert not staged.exists()
    sha256 = infos[0].sha256
    assert await store.blobs.get(sha256) == data
    assert await _all(store.blobs.stream(sha256)) == data
    assert await store.blobs.info(sha256) == infos[0]
    path = store.blobs.local_path(sha256)
    assert path is None or _bytes_of(path) == data


async def test_a_range_is_a_slice(store: Store) -> None:
    data = random.Random(1).randbytes(3 * MIB + 17)
    sha256 = (await store.blobs.put(data)).sha256
    for start, end in ((0, 0), (0, 5), (MIB - 1, 2 * MIB + 1), (len(data) - 3, None), (9, 10**9)):
        assert await _all(store.blobs.stream(sha256, start, end)) == data[start:end]
    assert await _all(store.blobs.stream(sha256, len(data) + 5)) == b""


async def test_an_unknown_blob_is_not_found(store: Store) -> None:
    for sha256 in ("0" * 64, "", "../../etc/passwd", "A" * 64):
        assert await store.blobs.info(sha256) is None
        assert store.blobs.local_path(sha256) is None
        with pytest.raises(BlobNotFound):
            await store.blobs.get(sha256)
        with pytest.raises(BlobNotFound):
            await _all(store.blobs.stream(sha256))


async def test_many_puts_of_the_same_bytes_at_once_agree(open_store: Opener) -> None:
    stores = [open_store(), open_store()]
    data = random.Random(2).randbytes(2 * MIB)
    puts = [stores[at % 2].blobs.put(data) for at in range(6)]
    streams = [stores[at % 2].blobs.put_stream(_chunks(data[:MIB], data[MIB:])) for at in range(6)]
    infos = await asyncio.gather(*puts, *streams)
    assert {info.sha256 for info in infos} == {_sha256(data)}
    assert await stores[1].blobs.get(_sha256(data)) == data


async def test_a_stream_that_breaks_off_leaves_nothing(store: Store) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"first"
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await store.blobs.put_stream(broken())
    assert await store.blobs.info(_sha256(b"first")) is None
    assert list(os.scandir(store.blobs.staging())) == []


async def test_sweep_removes_only_what_no_version_names(store: Store) -> None:
    named, former, unnamed = [
        (await store.blobs.put(data)).sha256 for data in (b"named", b"former", b"unnamed")
    ]
    await store.commit(commit(made("Binary", "b", blobs=(former,))))
    await store.commit(commit(made("Binary", "b", version=2, blobs=(named,))))
    assert await store.blobs.sweep(FAR_FUTURE_US) == 1
    assert await store.blobs.info(unnamed) is None
    assert await store.blobs.get(former) == b"former"
    assert await store.blobs.get(named) == b"named"


async def test_what_a_record_without_history_no_longer_names_is_swept(store: Store) -> None:
    one, two = [(await store.blobs.put(data)).sha256 for data in (b"1", b"2")]
    for version, sha256 in enumerate((one, two), 1):
        write = made("dicom:x", "1", version=version, blobs=(sha256,), keep_history=False)
        await store.commit(commit(write))
    assert await store.blobs.sweep(FAR_FUTURE_US) == 1
    assert await store.blobs.info(one) is None
    assert await store.blobs.info(two) is not None


async def test_young_blobs_are_not_swept_and_a_second_put_makes_one_young_again(
    store: Store,
) -> None:
    before_us = time.time_ns() // 1_000 - 5_000_000
    sha256 = (await store.blobs.put(b"pixels")).sha256
    assert await store.blobs.sweep(before_us) == 0
    path = store.blobs.local_path(sha256)
    if path is not None:
        os.utime(path, (1, 1))
        await store.blobs.put(b"pixels")
        assert await store.blobs.sweep(before_us) == 0
    assert await store.blobs.get(sha256) == b"pixels"


async def test_a_sweep_never_takes_what_a_commit_beside_it_names(store: Store) -> None:
    async def put_and_name(at: int) -> None:
        sha256 = (await store.blobs.put(f"blob {at}".encode())).sha256
        while True:
            try:
                await store.commit(commit(made("Binary", str(at), blobs=(sha256,))))
            except BlobNotFound:
                await store.blobs.put(f"blob {at}".encode())
                continue
            return

    sweeps = [store.blobs.sweep(FAR_FUTURE_US) for _ in range(10)]
    await asyncio.gather(*(put_and_name(at) for at in range(40)), *sweeps)
    for at in range(40):
        assert await store.blobs.get(_sha256(f"blob {at}".encode())) == f"blob {at}".encode()


async def test_a_second_process_leaves_the_first_ones_staging_alone(open_store: Opener) -> None:
    first = open_store()
    staged = Path(first.blobs.staging()) / "half"
    staged.write_bytes(b"half")
    second = open_store()
    assert staged.exists()
    assert first.blobs.staging() != second.blobs.staging()
