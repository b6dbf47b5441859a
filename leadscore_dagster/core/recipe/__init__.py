"""Recipes: one scoring model declared in YAML, and the strict schema that validates it."""
