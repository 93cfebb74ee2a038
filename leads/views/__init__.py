"""The pages of the hub, by topic."""
