"""Lines that were handed to the system outlive their process, and are delivered whole, in order and once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from audit.errors import JournalUnavailable
from audit.journal import Journal
from audit.journal_files import JournalFiles


def files_in(folder: Path) -> int:
    return len(list(folder.glob("*.journal")))


async def test_lines_come_in_order_and_only_until_they_are_delivered(tmp_path: Path) -> None:
    journal, files = Journal(tmp_path), JournalFiles(tmp_path)
    for number in range(5):
        journal.append(b"%d" % number)
    first = files.pending(3)
    assert [line.text for line in first] == [b"0", b"1", b"2"]
    files.delivered(first)
    assert [line.text for line in JournalFiles(tmp_path).pending(9)] == [b"3", b"4"]
    journal.close()


async def test_a_file_is_removed_once_its_process_is_gone_and_all_is_delivered(
    tmp_path: Path,
) -> None:
    journal, files = Journal(tmp_path), JournalFiles(tmp_path)
    journal.append(b"x")
    files.delivered(files.pending(9))
    files.remove_done()
    assert files_in(tmp_path) == 1
    journal.append(b"y")
    journal.close()
    files.remove_done()
    assert [line.text for line in files.pending(9)] == [b"y"]
    files.delivered(files.pending(9))
    files.remove_done()
    assert files_in(tmp_path) == 0
    assert files.backlog_bytes() == 0


async def test_a_line_that_was_cut_hides_none_that_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk takes a part of a line: that access is refused, the next one stands alone."""
    journal = Journal(tmp_path)
    write = os.write
    with monkeypatch.context() as full:
        full.setattr(os, "write", lambda file, data: write(file, data[:3]))
        with pytest.raises(JournalUnavailable):
            journal.append(b"half a line")
    journal.append(b"whole")
    journal.close()
    assert [line.text for line in JournalFiles(tmp_path).pending(9)] == [b"hal", b"whole"]


async def test_where_power_loss_counts_a_line_is_on_disk_before_the_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fdatasync", synced.append)
    journal = Journal(tmp_path, sync_before_answer=True)
    journal.append(b"x")
    await journal.settle()
    assert len(synced) == 1
    journal.close()


WRITES_UNTIL_KILLED = """
import asyncio, sys
from pathlib import Path
from audit.journal import Journal
async def main():
    journal = Journal(Path(sys.argv[1]))
    number = 0
    while True:
        journal.append(b"%d" % number)
        sys.stdout.write(f"{number}\\n")
        sys.stdout.flush()
        number += 1
asyncio.run(main())
"""


def test_what_was_acknowledged_before_sigkill_is_there(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITES_UNTIL_KILLED, str(tmp_path)], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    for _ in range(2000):
        process.stdout.readline()
    os.kill(process.pid, signal.SIGKILL)
    acknowledged = 2000 + len(process.stdout.read().splitlines())
    process.wait()
    process.stdout.close()
    files = JournalFiles(tmp_path)
    lines = files.pending(acknowledged * 2)
    assert [int(line.text) for line in lines[: acknowledged - 1]] == list(range(acknowledged - 1))
    files.delivered(lines)
    files.remove_done()
    assert list(tmp_path.glob("*.journal")) == []
