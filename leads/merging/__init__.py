"""Making one lead of two that are the same person, taking them apart again, and proposing who may be the same."""
