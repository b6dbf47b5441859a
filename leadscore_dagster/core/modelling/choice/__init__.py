"""Everything decided before the calibration and test periods are looked at: search, contenders, the choice."""
