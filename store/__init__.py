"""Versions, index entries, leases, outbox and blobs. Knows bytes, not FHIR."""
