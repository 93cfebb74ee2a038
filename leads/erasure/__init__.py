"""Erasing a person with proof, and giving out what is stored of one: every table says once what it holds of a person."""
