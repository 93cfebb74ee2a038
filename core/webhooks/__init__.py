"""Webhooks out: what happens to leads, told to other systems by the rules of Standard Webhooks."""
