"""The dashboard: what is wrong today, and the trends behind it."""
