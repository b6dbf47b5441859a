"""The test period, looked at once: metrics, cohorts, explanations, stability, and the evidence a report shows."""
