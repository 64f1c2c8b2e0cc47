"""Progress is not history: a search shows it merged into the Task, as a read does."""

from __future__ import annotations

import pytest

from fhir_api.tasks.progress import business_status
from store.interface import Commit, QueueAction, QueueChange, Write
from tests.fhir_api.search.server import Server


@pytest.mark.parametrize("status", ["accepted", "in-progress", "in\\u002dprogress"])
async def test_a_claimed_task_is_found_with_its_progress(server: Server, status: str):
    content = b'{"resourceType":"Task","id":"t","status":"%b","intent":"order"}' % status.encode()
    lease = QueueChange(QueueAction.LEASE, ("x",), owner="worker", lease_expires_at_us=2**60)
    put = QueueChange(QueueAction.PUT, ("x",))
    await server.store.commit(Commit((Write("Task", "t", 1, 0, 1, "PUT", content, queue=put),)))
    await server.store.commit(Commit((Write("Task", "t", 2, 1, 2, "PUT", content, queue=lease),)))
    assert "businessStatus" not in (await server.get("Task"))["entry"][0]["resource"]
    progress = business_status("predict", 40, None)
    assert await server.store.renew_lease("Task", "t", "worker", 2**60, progress)
    (entry,) = (await server.get("Task"))["entry"]
    assert entry["resource"]["businessStatus"]["text"] == "predict"
