"""Requests at random against a real server: seeded, counted, judged one by one."""
