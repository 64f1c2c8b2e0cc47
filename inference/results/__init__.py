"""Findings → FHIR: the only place that knows both what a model said and how R4 says it."""
