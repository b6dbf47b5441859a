"""The leakage audit: every part gives one verdict per feature, with its evidence.

Lives here: verdicts and their report, the static lineage of the feature query, its availability guards,
replay and the known-time audit. Not here: the audits written as SQL (core/table/audits), gates, anything that trains
a model."""
