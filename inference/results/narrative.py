"""Narrative for readers that know no more of a resource: https://hl7.org/fhir/R4/narrative.html"""

from __future__ import annotations

from html import escape


def narrative(*sentences: str) -> dict[str, str]:
    """A generated Narrative with one paragraph a sentence."""
    paragraphs = "".join(f"<p>{escape(sentence)}</p>" for sentence in sentences)
    return {
        "status": "generated",
        "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{paragraphs}</div>',
    }
