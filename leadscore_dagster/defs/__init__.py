"""Everything that imports Dagster: assets, checks, jobs, schedules, sensors, resources.

Thin: what they do is in core/.
"""
