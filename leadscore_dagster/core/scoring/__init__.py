"""From margins to the list sales works from: ranking, drivers, narrative, scores, CSV.

Not here: training and calibrating a model, loading one (registry), choosing the champion (champion).
"""
