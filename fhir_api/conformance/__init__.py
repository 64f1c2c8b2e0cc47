"""Definitions beyond R4's own: those of implementation guides that were loaded, and those that were posted."""
