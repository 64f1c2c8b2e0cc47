"""Attempts at another patient's record, made against two worlds that differ in nothing but that patient."""
