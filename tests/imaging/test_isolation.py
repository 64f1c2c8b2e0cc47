"""Decoding in child processes: what a decoder does to its process, it does to nobody else."""

from __future__ import annotations

import asyncio
import os
import platform
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from imaging.errors import CorruptImage, TruncatedImage
from imaging.formats import read
from imaging.isolation import DecoderProcesses
from tests.imaging.conftest import sample


def die() -> None:
    """As gdcm does when an exception of C++ meets nobody."""
    os.abort()


def slow_square(number: int) -> int:
    time.sleep(0.3)
    return number * number


def parent_of_child() -> int:
    return os.getppid()


async def test_an_image_comes_back_whole(decoders: DecoderProcesses) -> None:
    path = sample("eCT_Supplemental.dcm")
    image = await decoders.run(read, path)
    assert (image.pixels == read(path).pixels).all()
    assert image.affine_lps_mm == read(path).affine_lps_mm


async def test_errors_come_back_as_themselves(decoders: DecoderProcesses) -> None:
    with pytest.raises(TruncatedImage):
        await decoders.run(read, sample("MR_truncated.dcm"))


async def test_a_decoder_that_breaks_down_is_an_error_and_the_next_is_served() -> None:
    processes = DecoderProcesses(1)
    with pytest.raises(CorruptImage, match="broke down"):
        await processes.run(die)
    assert await processes.run(slow_square, 3) == 9
    processes.close()


async def test_who_shares_the_pool_with_a_breakdown_gets_an_answer_all_the_same() -> None:
    processes = DecoderProcesses(2)
    await processes.warm_up(os.getpid)
    answers = await asyncio.gather(
        processes.run(slow_square, 4), processes.run(die), return_exceptions=True
    )
    assert answers[0] == 16
    assert isinstance(answers[1], CorruptImage)
    processes.close()


async def test_the_loop_runs_on_while_a_child_decodes(decoders: DecoderProcesses) -> None:
    await decoders.warm_up(os.getpid)
    beats = 0
    decoding = asyncio.create_task(decoders.run(read, sample("RG3_J2KR.dcm")))
    while not decoding.done():
        await asyncio.sleep(0)
        beats += 1
    assert beats > 10
    assert (await decoding).rows == 1760


def test_children_end_with_a_parent_that_is_killed() -> None:
    script = (
        "import asyncio, sys\n"
        "from imaging.isolation import DecoderProcesses\n"
        "from tests.imaging.test_isolation import slow_square\n"
        "async def main():\n"
        "    processes = DecoderProcesses(1)\n"
        "    await processes.run(slow_square, 2)\n"
        "    print('ready', flush=True)\n"
        "    await asyncio.sleep(600)\n"
        "asyncio.run(main())\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    assert parent.stdout.readline().strip() == b"ready"
    children = psutil.Process(parent.pid).children(recursive=True)
    assert children
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    _, alive = psutil.wait_procs(children, timeout=30)
    assert not alive


def share_of_the_calling_thread(path: Path) -> float:
    """How much of an image's processor time its own thread spends."""
    own, all_of_them = time.thread_time(), time.process_time()
    read(path)
    return (time.thread_time() - own) / (time.process_time() - all_of_them)


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one processor has nothing to share out")
async def test_a_jpeg_2000_image_is_decoded_by_several_threads() -> None:
    """OpenJPEG's own threads, in a child only: it alone sets ``OPJ_NUM_THREADS``."""
    processes = DecoderProcesses(1)
    shares = [
        await processes.run(share_of_the_calling_thread, sample("RG1_J2KI.dcm")) for _ in range(2)
    ]
    processes.close()
    assert shares[-1] < 0.5


def fresh_pages(path: Path) -> int:
    """How many pages the system has to give for an image."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    read(path).display()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have no mallopt")
async def test_an_image_is_decoded_in_the_memory_that_another_left() -> None:
    processes = DecoderProcesses(1)
    pages = [await processes.run(fresh_pages, sample("RG1_UNCR.dcm")) for _ in range(4)]
    processes.close()
    assert pages[-1] < 100
