"""Features: the catalogue that defines each once, and the one query that computes them for any decisions."""
