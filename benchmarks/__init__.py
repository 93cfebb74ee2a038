"""The promises, measured: `make bench`. Ratios hold on any machine because both sides run in the same minute on it."""
