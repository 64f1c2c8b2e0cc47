"""What can go wrong in the audit, one tree.

AuditError
├── JournalUnavailable   an access cannot be written down: it must not be answered
└── ChainInvalid         the kept audit is not what it was: the message names what, never its content
"""

from __future__ import annotations


class AuditError(Exception):
    """Any of them."""


class JournalUnavailable(AuditError):
    """The disk is full or gone."""


class ChainInvalid(AuditError):
    """Something was changed, removed, moved or added."""
