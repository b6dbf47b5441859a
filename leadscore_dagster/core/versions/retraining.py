"""Why a period is to be trained although no new drop has asked for it.

Lives here: the triggers, and what a due one leads to. Not here: new drops (core/sources/arrivals/decision), the
schedule that asks once a day (defs/automation/schedules).

A trigger is a function of the standing and the recipe's automation that says what is due, or nothing. Another one is
another function in TRIGGERS, and what it looks at another field of Standing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from leadscore_dagster.core.clock import day_of
from leadscore_dagster.core.recipe.schema import Automation, Cadence, Recipe
from leadscore_dagster.core.sources.arrivals import Known, Request, Sightings, decide, hand_over, vintage_sources


@dataclass(frozen=True)
class Standing:
    """How a recipe stands at an instant.

    Parameters
    ----------
    today : the date then, by the clock of the recipe's zone.
    cadence : whether its periods are quarters or months.
    champion_as_of : period the champion was trained for; None: there is none.
    begun : the newest period that has begun; None: the recipe's first one has not.
    overdue : the newest period whose fall-back day has come; None: none has.
    drifted : columns that monitoring found far from what the champion was trained on.
    fallen : whether the champion's delivered scores have turned out worse than its test period.
    """

    now: datetime
    today: date
    cadence: Cadence
    champion_as_of: date | None
    begun: date | None
    overdue: date | None
    drifted: tuple[str, ...] = ()
    fallen: bool = False


@dataclass(frozen=True)
class Due:
    """A period that should be trained, and why."""

    as_of: date
    why: str


Trigger = Callable[[Standing, Automation], Due | None]


def fallback(standing: Standing, automation: Automation) -> Due | None:
    """The fall-back day of a period has come: it is run as it lies there, so that a drop that never became complete,
    or never came, is heard of."""
    if standing.overdue is None:
        return None
    when = standing.overdue + timedelta(days=automation.fallback_days)
    return Due(standing.overdue, f"the fall-back day of {standing.cadence.label(standing.overdue)} was {when}")


def age(standing: Standing, automation: Automation) -> Due | None:
    """The champion was trained too long ago, and a period has begun since."""
    trained, begun = standing.champion_as_of, _newer_period(standing)
    if trained is None or begun is None:
        return None
    days = (standing.today - trained).days
    if days <= automation.retrain_after_days:
        return None
    return Due(begun, f"the champion's {standing.cadence.value} {trained} is {days} days old")


def drift(standing: Standing, automation: Automation) -> Due | None:
    """Columns have moved as far as an error, and a period has begun since the champion was trained."""
    if not standing.drifted or (begun := _newer_period(standing)) is None:
        return None
    more = f" and {len(standing.drifted) - 3} more" if len(standing.drifted) > 3 else ""
    return Due(begun, f"{', '.join(standing.drifted[:3])}{more} drifted from the champion's training rows")


def performance(standing: Standing, automation: Automation) -> Due | None:
    """Delivered scores have turned out worse than in the test period, and a period has begun since."""
    if not standing.fallen or (begun := _newer_period(standing)) is None:
        return None
    return Due(begun, "the champion's delivered scores turned out worse than its test period")


def _newer_period(standing: Standing) -> date | None:
    """The newest period that has begun, if the champion was trained for an earlier one."""
    trained, begun = standing.champion_as_of, standing.begun
    return begun if trained is not None and begun is not None and begun > trained else None


#: a file that has changed so recently may still be growing: the look of a schedule has no second one to compare with
QUIET = timedelta(hours=1)
TRIGGERS: tuple[Trigger, ...] = (fallback, age, drift, performance)


def standing_of(
    recipe: Recipe,
    now: datetime,
    champion_as_of: date | None,
    *,
    drifted: tuple[str, ...] = (),
    fallen: bool = False,
) -> Standing:
    """How ``recipe`` stands at ``now``; ``drifted`` and ``fallen`` are what monitoring says of the champion."""
    today = day_of(now, recipe.automation.timezone)
    days = timedelta(days=recipe.automation.fallback_days)
    return Standing(
        now=now,
        today=today,
        champion_as_of=champion_as_of,
        cadence=recipe.cadence,
        begun=max(recipe.as_ofs(today), default=None),
        overdue=max(recipe.as_ofs(today - days), default=None),
        drifted=drifted,
        fallen=fallen,
    )


def retrain(
    recipe: Recipe,
    standing: Standing,
    known: Known,
    *,
    touched: datetime | None,
    look: Callable[[], Sightings],
) -> Request | str:
    """The refresh that is due, or why there is none.

    Parameters
    ----------
    touched : when a file of the vendor's folders last changed; None: they do not tell.
    look : what lies there, read in full; called only if something can be new.
    """
    due = [found for trigger in TRIGGERS if (found := trigger(standing, recipe.automation)) is not None]
    if not due:
        return f"nothing is due on {standing.today}"
    why = "; ".join(found.why for found in due)
    if vintage_sources(recipe):
        answer = _of_vintages(standing, due, known, touched, look)
    else:
        answer = _of_a_log(max(entry.as_of for entry in due), why, known, recipe.cadence)
    return f"{why}; {answer}" if isinstance(answer, str) else answer


def _of_a_log(as_of: date, why: str, known: Known, cadence: Cadence) -> Request | str:
    """A recipe without vintages has new data as soon as a period has begun."""
    if _heard_of(as_of, known):
        return f"{cadence.label(as_of)} has been run"
    return Request("refresh", as_of, "log", "log", why)


def _of_vintages(
    standing: Standing, due: list[Due], known: Known, touched: datetime | None, look: Callable[[], Sightings]
) -> Request | str:
    overdue = next((entry.as_of for entry in due if entry.as_of == standing.overdue), None)
    if touched is not None:
        if timedelta() <= standing.now - touched < QUIET:
            return f"files are still arriving, the last at {touched:%H:%M}"
        done = [*known.ruled.values(), *(run.at for runs in known.asked.values() for run in runs)]
        heard = overdue is None or _heard_of(overdue, known)
        if heard and touched.timestamp() < max(done, default=0.0):
            return "nothing has arrived since the last run"
    sightings = look()
    decision = decide(sightings, known)
    if decision.request is not None and decision.request.kind == "ingest":
        return f"{decision.request.why}, which the drop sensor takes care of"
    if decision.request is not None and decision.request.as_of <= max(entry.as_of for entry in due):
        return decision.request
    if overdue is None or _heard_of(overdue, known, later=True):
        return "; ".join(decision.why)
    return hand_over(overdue, sightings, known)


def _heard_of(as_of: date, known: Known, *, later: bool = False) -> bool:
    """Whether the period, or only a ``later`` one, has been run up to its champion, or was to be."""
    heard_of = [*known.ruled, *(other for kind, other in known.asked if kind == "refresh")]
    return any(other > as_of or (other == as_of and not later) for other in heard_of)
