"""The values that a page can be sorted by, among the entries of a parameter."""

from __future__ import annotations

from dataclasses import dataclass

from store.query import SortField, SortKey
from store.sqlite.conditions import TABLE_OF, Compiler
from store.sqlite.names import Kind

_KINDS = {
    SortField.TOKEN: Kind.TOKEN,
    SortField.STRING: Kind.STRING,
    SortField.REFERENCE: Kind.REFERENCE,
    SortField.DATE: Kind.DATE,
    SortField.NUMBER: Kind.NUMBER,
    SortField.QUANTITY: Kind.QUANTITY,
    SortField.URI: Kind.URI,
}
_COLUMNS = {
    # table: (least, its index, greatest, its index)
    "term_entry": ("code", "term_created", "code", "term_created"),
    "text_entry": ("normalised", "text_normalised", "normalised", "text_normalised"),
    "date_entry": ("low", "date_low", "high", "date_high"),
    "amount_entry": ("low", "amount_low", "high", "amount_high"),
}


@dataclass(frozen=True, slots=True)
class ValueColumn:
    """Where the values of a sort key stand, and the index that has them in order."""

    pid: int
    table: str
    name: str
    index: str
    greatest: bool
    """A resource counts by its greatest value, else by its least."""


def value_column(key: SortKey, compiler: Compiler) -> ValueColumn | None:
    """None: no resource of the type has an entry of that kind and parameter."""
    kind = _KINDS[key.field]
    pid = compiler.pid(key.param or "", kind)
    if pid is None:
        return None
    table = TABLE_OF[kind]
    least, least_index, greatest, greatest_index = _COLUMNS[table]
    if key.descending:
        return ValueColumn(pid, table, greatest, greatest_index, greatest=True)
    return ValueColumn(pid, table, least, least_index, greatest=False)
