"""Modelling room: from a training table to a calibrated, judged candidate, and from a model to scores.

``matrix`` makes numbers, ``preparation`` and ``estimators`` (one row each in its registry) fit, ``ensemble`` combines,
``choice`` searches parameters and chooses, ``calibration`` turns margins into probabilities, ``scoring`` is the one
path rows take through a model, ``judgement`` looks at the test period, ``candidate`` runs it all. Not here: splitting
by time (core/table/periods), metrics and intervals (core/measures), gates and files (core/versions), SQL.
"""
