"""What tests of real services need, as ``tests/services/install`` puts it there; a test skips where it is absent."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ARTIFACTS = ROOT / ".cache" / "services"
"""Files from Maven Central."""
INSTALL = "run tests/services/install"


def program(name: str) -> str:
    """The path of a program; skips where there is none."""
    found = shutil.which(name, path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if found is None:
        pytest.skip(f"{name} is not installed: {INSTALL}")
    return found


def maven_artifact(name: str) -> Path:
    """A jar that was fetched from Maven Central; skips where it was not."""
    return there(ARTIFACTS / name)


def there(path: Path) -> Path:
    """The file or folder; skips where it is absent."""
    if not path.exists():
        pytest.skip(f"{path.relative_to(ROOT)} is absent: {INSTALL}")
    return path
