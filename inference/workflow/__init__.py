"""One analysis, step by step: claim, completeness, fetch, decode, read, report, finish. One file a step."""
