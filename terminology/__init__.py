"""Code systems and the small tables of codes that more than one room speaks."""
