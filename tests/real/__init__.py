"""The real data sets through the front door."""
