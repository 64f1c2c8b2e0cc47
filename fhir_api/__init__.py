"""The R4 façade: interactions, search, validation, operations."""
