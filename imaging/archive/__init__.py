"""Stored studies: their files as blobs, their attributes as records, their ImagingStudy for FHIR."""
