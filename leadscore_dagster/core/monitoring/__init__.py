"""What is watched once a model scores: health, class balance, drift, and performance once outcomes have matured.

Lives here: measuring a day's facts into tables of their own (one partition per day), and judging them by pure
functions that a check shows and a trigger asks again. Not here: scoring (core/scoring), what an alarm leads to
(core/versions/retraining, alerts), Dagster's own records (defs/assets/monitoring).
"""
