"""Alerts in Dagster: what watches, what delivers, and where the settings come from.

Lives here: facts read off the instance, one sensor, two jobs, one schedule. Not here: any judgement (core/alerts).
"""
