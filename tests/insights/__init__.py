"""Reports, counted by hand."""
