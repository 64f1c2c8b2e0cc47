"""Patches (https://hl7.org/fhir/R4/http.html#patch): a document's bytes in, the patched document's bytes out."""
