"""Formulas and their intervals, on arrays and counts: they know no recipe, no table and no model."""
