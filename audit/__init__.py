"""Who saw and did what: accesses that survive a killed process, AuditEvents made of them, and a chain that shows tampering."""
