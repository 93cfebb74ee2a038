"""A tenant to try everything with: made by the same doors and acts that people use, under a clock that moves."""
