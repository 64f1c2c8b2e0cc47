"""The codes that an element holds, and whether a value set holds one of them."""

from __future__ import annotations

from collections.abc import Iterator

from terminology.terminology import Terminology

Coded = tuple[str | None, str]
"""A system and a code of it; None: the element's type has no place for a system."""


def codes_of(type_: str, value: object) -> Iterator[Coded]:
    """The codes of a code, string, uri, Coding, CodeableConcept or Quantity. One without a system has the system ''."""
    if isinstance(value, str):
        yield None, value
    elif isinstance(value, dict):
        codings = value.get("coding") if type_ == "CodeableConcept" else [value]
        for coding in codings if isinstance(codings, list) else ():
            code = coding.get("code") if isinstance(coding, dict) else None
            if isinstance(code, str):
                system = coding.get("system")
                yield system if isinstance(system, str) else "", code


def is_inside(type_: str, value: object, value_set: str, terminology: Terminology) -> bool | None:
    """Whether the value set holds a code of the element. None: it cannot be told."""
    contents = terminology.contents(value_set)
    verdicts = [
        contents.has_plain(code) if system is None else contents.has(system, code)
        for system, code in codes_of(type_, value)
    ]
    if any(verdicts):
        return True
    return None if None in verdicts or (contents.is_open and not verdicts) else False
