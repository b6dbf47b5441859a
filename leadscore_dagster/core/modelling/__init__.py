"""Modelling room: from a training table to a calibrated, judged candidate, and from a model to scores.

``periods`` splits by time, ``matrix`` makes numbers, ``metrics`` and ``intervals`` measure, ``estimators``
fits, ``calibration`` turns margins into probabilities, ``scoring`` is the one path rows take through a model,
``selection`` chooses an estimator, ``candidate`` runs it all. Not here: thresholds and
promotion (core/versions/gates), files (core/versions/registry), SQL.
"""
