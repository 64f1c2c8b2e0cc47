"""The operations of the façade (``$name``), one file each; the registry that routes and metadata read."""
