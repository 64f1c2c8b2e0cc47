"""One script a question. Each prints a table, with its peer or its limit measured in the same run."""
