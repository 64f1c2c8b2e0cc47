"""The Task is the queue: which Tasks are ours, what a write does to their queue entry, leases that run out."""
