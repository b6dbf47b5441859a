"""The one switch: whether a deployment's schedules and sensors run by themselves.

``LEADSCORE_AUTOMATION=on``, read when the definitions are loaded, turns every schedule and sensor on that nobody has
turned on or off by hand in Dagit; anything but ``on`` and ``off`` is refused. Not here: what they do.
"""

from __future__ import annotations

import os

import dagster as dg

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.recipe.schema import Recipe

SWITCH = "LEADSCORE_AUTOMATION"
#: in a schedule's metadata: its tick may leave today for a later one, so only what it has asked for can be missed
WAITS = "leadscore/waits"


def is_on() -> bool:
    """Whether the switch is on. Raises InputError for a value that is neither on nor off."""
    value = os.environ.get(SWITCH, "off").strip().lower()
    if value not in ("on", "off"):
        raise InputError(f"{SWITCH} is {value!r}", remedy="set it to on or to off")
    return value == "on"


def drop_sensor_name(recipe: Recipe) -> str:
    """The sensor that watches the vendor's folders."""
    return f"{recipe.name}_drop_sensor"


def schedule_status(recipe: Recipe) -> dg.DefaultScheduleStatus:
    """On with the switch, but for a closed data set: it has no today."""
    on = is_on() and recipe.as_of is None
    return dg.DefaultScheduleStatus.RUNNING if on else dg.DefaultScheduleStatus.STOPPED


def sensor_status(recipe: Recipe | None = None) -> dg.DefaultSensorStatus:
    """As ``schedule_status``; without a recipe the switch alone decides."""
    on = is_on() and (recipe is None or recipe.as_of is None)
    return dg.DefaultSensorStatus.RUNNING if on else dg.DefaultSensorStatus.STOPPED
