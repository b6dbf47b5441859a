"""Alerts: what has gone wrong, who hears of it, when, in which words, and the outbox through which they do, once.

Lives here: judging facts, routing, quiet hours, wording, the outbox, delivery. Not here: finding the facts in Dagster
or reading settings (defs/alerts).
"""
