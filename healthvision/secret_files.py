"""Secrets that stand in files, as container platforms mount them: ``X_FILE`` names the file where ``X`` is not set."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationInfo, model_validator
from pydantic_settings import BaseSettings

from healthvision.errors import SettingsError

SUFFIX = "_file"


class SettingsWithSecretFiles(BaseSettings):
    """Settings of which each ``<name>_file`` beside a ``<name>`` is where to read that one."""

    @model_validator(mode="before")
    @classmethod
    def _read_files(cls, given: Any, _: ValidationInfo) -> Any:  # noqa: ANN401 - pydantic's
        """Raises SettingsError: a file cannot be read, or is empty."""
        if not isinstance(given, Mapping):
            return given
        prefix = cls.model_config.get("env_prefix", "")
        read = {
            name: _first_line(Path(given[name + SUFFIX]), f"{prefix}{name}{SUFFIX}".upper())
            for name in cls.model_fields
            if given.get(name + SUFFIX) and name not in given
        }
        return {**given, **read}


def _first_line(file: Path, variable: str) -> str:
    try:
        line = file.read_text("utf-8").partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{variable}: {file} cannot be read.") from error
    if not line:
        raise SettingsError(f"{variable}: {file} is empty.")
    return line
