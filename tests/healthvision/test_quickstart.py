"""docs/quickstart.md is executed as it stands."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.deployment import OPERATOR_TOKEN, Deployment

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(180)
def test_the_quickstart_works_as_pasted(tmp_path: Path) -> None:
    """Every shell block, in one shell, stopping at the first command that fails."""
    text = (ROOT / "docs" / "quickstart.md").read_text()
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    folder = tmp_path / "terminal"
    folder.mkdir()
    (folder / ".venv").symlink_to(ROOT / ".venv")
    deployment = Deployment(tmp_path / "data")
    deployment.start()
    try:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", "\n".join(blocks)],
            cwd=folder,
            env={**os.environ, "HEALTHVISION_TOKEN": OPERATOR_TOKEN, "SERVER": deployment.url},
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )
    finally:
        deployment.kill()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "preliminary:" in done.stdout
    assert (folder / "heatmap.png").read_bytes().startswith(b"\x89PNG")
    assert "No person has reviewed" in (folder / "report.html").read_text()
