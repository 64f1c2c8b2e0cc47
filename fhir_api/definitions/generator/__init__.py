"""Reads the published R4 definitions and reduces them to the tables of ``fhir_api/definitions/r4``."""
