"""Resources in other clothes than JSON: XML in and out, and a page for a person's browser."""
