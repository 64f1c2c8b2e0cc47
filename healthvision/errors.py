"""What is wrong with what an operator has set."""

from __future__ import annotations


class SettingsError(Exception):
    """A setting is wrong. The message is one sentence that names the variable and what is wrong with it."""
