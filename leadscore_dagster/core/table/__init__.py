"""The point-in-time table: decisions, labels, features as known, and how its rows are divided by time."""
