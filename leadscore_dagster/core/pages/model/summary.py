"""The top of the page: what the model predicts, how good it is, what sales gets, and whether it may be used.

Plain sentences for somebody with two minutes. Not here: the details (other sections).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from leadscore_dagster.core.measures.catalogue import METRICS, Noticed, phrase_of
from leadscore_dagster.core.pages.frame.text import counted, escaped, finite, number, section
from leadscore_dagster.core.pages.model.reading import Record, absent, at, day, percent, short, spanned
from leadscore_dagster.core.versions.comparison import PROMOTION

#: features named in the short answer
_NAMED = 5
_PLACEHOLDER = re.compile(r"\{value[^}]*\}")


def masthead(evidence: Record) -> str:
    """Title, facts, and the banner with the verdict."""
    recipe, manifest = evidence.get("recipe") or {}, evidence.get("manifest") or {}
    test = _test(manifest)
    facts = [
        ("version", f"<code>{escaped(evidence.get('version', '–'))}</code>"),
        ("made with what was known on", day(evidence.get("as_of", manifest.get("as_of", "–")))),
        ("kind of model", escaped(str(manifest.get("estimator", "–")).replace("_", " "))),
        ("judged on", f"{number(test.get('rows'))} decisions, {number(test.get('positives'))} conversions"),
        ("owner", escaped(recipe.get("owner") or "nobody named")),
    ]
    listed = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts)
    state, told = verdict(evidence)
    lines = "".join(f"<p>{line}</p>" for line in told)
    return (
        f'<header><p class="kicker">Model report</p><h1>{escaped(recipe.get("title", "Model"))}</h1><dl>{listed}</dl>'
        f'<div class="banner {state}" role="status">{lines}</div></header>'
    )


def verdict(evidence: Record) -> tuple[str, list[str]]:
    """``passed``, ``refused`` or ``waiting``, and the sentences that say whether the model may be used and why."""
    gates = [gate for gate in evidence.get("gates") or [] if gate["name"] != PROMOTION]
    failed = [gate for gate in gates if not gate["passed"]]
    standing, audit = evidence.get("standing") or {}, evidence.get("audit") or {}
    if not gates:
        return "waiting", ["No gate has judged this version, so it must not be used."]
    if failed:
        told = [f"Must not be used: {counted(len(failed), 'gate')} of {len(gates)} refused it."]
        return "refused", [*told, *map(_reason, failed), *_scoring_instead(standing)]
    if audit.get("blocks"):
        told = ["Must not be used: the leakage audit of its training table blocks.", escaped(audit["why"])]
        return "refused", told + _scoring_instead(standing)
    waived = [gate for gate in gates if gate.get("waived")]
    told = [f"All {len(gates)} gates passed: the conditions a version must meet before it may score."]
    if waived:
        told = [f"{counted(len(gates) - len(waived), 'gate')} of {len(gates)} passed, {len(waived)} waived."]
        told += [f"Waived: {_reason(gate)}" for gate in waived]
    if standing.get("champion"):
        opening = f"May be used, with {counted(len(waived), 'gate')} waived." if waived else "May be used."
        since = f"{opening} It has been the champion since {day(standing['since'])}: the version that scores the leads."
        return "waiting" if waived else "passed", [since, *told, _why(standing)]
    sound = "Usable while the waiver lasts, but not in use." if waived else "Sound, but not in use."
    return "waiting", [" ".join([sound, *_scoring_instead(standing)]), *told, _why(standing)]


def key_numbers(evidence: Record) -> str:
    """The four numbers a sales lead asks for, each with its interval, and what they rest on."""
    manifest, measured = evidence.get("manifest") or {}, evidence.get("measured") or {}
    metrics = manifest.get("metrics") or {}
    tenth = _list(evidence, 0.1)
    tiles = []
    if tenth:
        what = f"calling the best tenth ({number(tenth['called'])} leads); at random {_at_random(evidence)}"
        tiles.append(("conversions per 100 calls", spanned(tenth["per_hundred"]), what))
    lift, area = metrics.get("top_decile_lift"), metrics.get("auc_roc")
    if lift:
        tiles.append(("times the average", spanned(lift), "how often the best tenth converts (lift); 1 is chance"))
    if area:
        tiles.append(("pairs in the right order", spanned(area, "percent"), "50% is chance, 100% perfect (AUC-ROC)"))
    if finite(measured.get("expected")) is not None:
        came = spanned(at(_list(evidence, 1.0), "conversions"), "count") if _list(evidence, 1.0) else None
        promised = f"{number(round(measured['expected']))} → {came or number(measured['positives'])}"
        told = {None: " in the test period", True: "; the difference is within what chance explains",
                False: "; the difference is more than chance explains"}  # fmt: skip
        what = f"conversions{told[_within_chance(evidence)]}"
        tiles.append(("promised and observed", promised, what))
    if not tiles:
        return ""
    made = "".join(f"<div><b>{value}</b><span>{name}</span><small>{what}</small></div>" for name, value, what in tiles)
    return f'<div class="numbers">{made}</div>{_basis(manifest)}'


def in_short(evidence: Record) -> str:
    """Answers in plain sentences, and what would end the trust."""
    answers = [
        ("What it predicts", _predicts(evidence)),
        ("How good it is", _quality(evidence)),
        ("What sales gets", _gain(evidence)),
        ("Whether its probabilities can be trusted", _honesty(evidence)),
        ("What it looks at", _looks_at(evidence)),
        ("What would make us stop trusting it", _doubts(evidence)),
    ]
    body = "".join(f"<div><dt>{question}</dt><dd>{answer}</dd></div>" for question, answer in answers)
    lead = "For everybody. The sections below are for those who want to check it."
    return section("In short", lead, f'<dl class="answers">{body}</dl>', "short")


def _predicts(evidence: Record) -> str:
    manifest, recipe = evidence.get("manifest") or {}, evidence.get("recipe") or {}
    test, days = _test(manifest), manifest.get("label_window_days")
    if not test:
        return absent("the version's manifest names no test period")
    window = f" Whether it came is known {counted(days, 'day')} after the decision." if days else ""
    return (
        f"For each lead, how likely this is: {escaped(recipe.get('title', 'the outcome'))}.{window} The model learned "
        f"from earlier decisions and was then judged once, on {number(test['rows'])} decisions it had not seen, from "
        f"{day(test['first'])} to {day(test['last'])}; {number(test['positives'])} of them "
        f"({percent(_base_rate(manifest))}) converted."
    )


def _quality(evidence: Record) -> str:
    metrics = at(evidence, "manifest", "metrics") or {}
    lift, area = metrics.get("top_decile_lift"), metrics.get("auc_roc")
    if not lift or finite(lift.get("value")) is None:
        return absent("no lift is stored with this version")
    told = f"The tenth of the leads with the best scores converts {spanned(lift)} times as often as the average lead."
    if area and finite(area.get("value")) is not None:
        pairs = spanned(area, "percent")
        told += f" Given one lead that converts and one that does not, it ranks the right one first in {pairs}."
    later = [at(one, "metrics", "top_decile_lift", "value") for one in evidence.get("track_record") or []]
    known = [value for value in map(finite, later) if value is not None]
    if known:
        period = at(evidence, "recipe", "cadence")
        ends = sorted({f"{value:.2f}" for value in (min(known), max(known))})
        told += (
            f" {counted(len(known), 'model')} of earlier {period}s reached {' to '.join(ends)} times on the decisions "
            'that came after them (<a href="#record">track record</a>).'
        )
    return told


def _gain(evidence: Record) -> str:
    base, tenth, half = _base_rate(evidence.get("manifest") or {}), _list(evidence, 0.1), _list(evidence, 0.5)
    if tenth is None or not base:
        return absent("this version was registered without what a call list brings")
    told = (
        f"Of 100 calls to the best tenth {spanned(tenth['per_hundred'])} convert; of 100 calls at random "
        f"{_at_random(evidence)}. One conversion takes {spanned(tenth['calls_per_conversion'])} calls instead of "
        f"{short(1 / base)}."
    )
    if half:
        told += f" Calling the better half finds {spanned(half['found'], 'percent')} of all conversions."
    return told


def _honesty(evidence: Record) -> str:
    measured = evidence.get("measured") or {}
    expected = finite(measured.get("expected"))
    if expected is None:
        return absent("this version was registered without its reliability")
    came, whole = measured["positives"], _list(evidence, 1.0)
    shown = spanned(whole["conversions"], "count") if whole else number(came)
    told = f"{_served(evidence)}It promised {number(round(expected))} conversions in the test period, and {shown} came."
    within = _within_chance(evidence)
    if within is None:
        return told
    if within:
        return f"{told} That is within what chance explains."
    word, ends = ("high", (expected, came)) if expected > came else ("low", (came, expected))
    about = f", by a factor of about {short(ends[0] / ends[1], 2)}" if ends[1] else ""
    wrong = f"That is more than chance explains: probabilities are too {word}{about}."
    return f"{told} {wrong} Who comes first is not affected."


def _served(evidence: Record) -> str:
    """With a base rate that is followed: how many leads would have been given a probability, and which."""
    served = at(evidence, "manifest", "served") or {}
    if not served:
        return ""
    kept, corrected, left_out = (percent(served.get(name)) for name in ("keep", "correct", "rank_only"))
    return (
        f"Held day by day against the outcomes known by then, the probabilities of {kept} of the leads were kept, of "
        f"{corrected} corrected, and {left_out} got a rank and no probability. "
    )


def _looks_at(evidence: Record) -> str:
    """The strongest features in a salesperson's words, as far as the catalogue has them."""
    ranked = at(evidence, "measured", "importance") or []
    catalogue = {str(one["name"]): one for one in at(evidence, "manifest", "features") or []}
    told = [_named(one, catalogue.get(one["feature"], {})) for one in ranked[:_NAMED] if one["direction"] != "none"]
    if not told:
        return absent("this version was registered without the directions of its features")
    shown = f'Strongest first: {"; ".join(told)} (<a href="#drivers">all of them</a>).'
    return f"{shown} That is what it uses, not what causes a conversion."


def _named(one: Record, feature: Record) -> str:
    phrase = _PLACEHOLDER.sub("…", str(feature.get("phrase") or "")).strip()
    name = escaped(phrase or str(one["feature"]).replace("_", " "))
    raised = {"rises": "raises", "falls": "lowers"}.get(one["direction"])
    if raised is None:
        return f"<b>{name}</b> ({'depends on which' if one['direction'] == 'levels' else 'no single direction'})"
    more = "yes" if feature.get("type") == "flag" else "more"
    return f"<b>{name}</b> ({more} {raised} the score)"


def _doubts(evidence: Record) -> str:
    """Conditions a person can watch: gates on later outcomes, age, what is unproven, what is waived."""
    gates = {gate["name"]: gate for gate in evidence.get("gates") or []}
    told = [_worse(gate, noticed) for gate in gates.values() if (noticed := _noticed(gate))]
    limit = at(evidence, "recipe", "stale_after_periods")
    if limit:
        age = counted(limit, str(at(evidence, "recipe", "cadence")))
        told.append(f"it is older than {age}: a newer model then replaces it unless clearly worse")
    audit = evidence.get("audit") or {}
    unproven = [name for name, kind in (audit.get("overall") or {}).items() if kind in ("unproven", "clock")]
    if unproven:
        noun = counted(len(unproven), "feature is", "features are")
        told.append(
            f"a later delivery of the data shows that an unproven feature is filled in afterwards ({noun} unproven: "
            "nothing shows yet when the values were known)"
        )
    told += [
        f"the waiver of {_phrase(gate)} ends: the gate then refuses the version again"
        for gate in gates.values()
        if gate.get("waived")
    ]
    if not told:
        return absent("no gate and no limit of age is stored with this version")
    failed = any(not gate["passed"] for name, gate in gates.items() if name != PROMOTION)
    lead = "Any of these, on new outcomes:"
    if failed or audit.get("blocks"):
        lead = "It is not to be trusted now (see above). Were it, any of these on new outcomes would end that:"
    return f"{lead}<ul>" + "".join(f"<li>{one}</li>" for one in told) + "</ul>"


def _noticed(gate: Record) -> Noticed | None:
    """What a person would notice of this gate, where it was measured."""
    known = METRICS.get(gate["name"])
    return known.noticed if known and gate["value"] is not None else None


def _in_words(gate: Record, noticed: Noticed) -> str:
    threshold = percent(gate["threshold"]) if noticed.form == "percent" else short(gate["threshold"])
    return f"{noticed.before}{threshold}{noticed.behind}"


def _worse(gate: Record, noticed: Noticed) -> str:
    return f"{_in_words(gate, noticed)} ({escaped(phrase_of(gate['name']))}, now {spanned(gate, noticed.form)})"


def _reason(gate: Record) -> str:
    """Why a gate refused, behind what the gate asks in plain words; of a waiver, its gate under a readable name."""
    why = str(gate["why"])
    waiver = gate.get("waiver")
    if waiver:
        return escaped(f"{_phrase(gate)}, until {waiver['until']} by {waiver['by']}: {waiver['why']}. {gate['found']}")
    noticed = _noticed(gate)
    if noticed is None:
        return escaped(why)
    lower = METRICS[gate["name"]].lower_is_better
    beyond = gate["value"] > gate["threshold"] if lower else gate["value"] < gate["threshold"]
    opening = "In the test period" if beyond else "It cannot be ruled out that"
    return f"{opening} {_in_words(gate, noticed)}. <small>{escaped(why)}</small>"


def _scoring_instead(standing: Record) -> list[str]:
    """Who scores while this version does not, as far as the ledger says."""
    if standing.get("champion"):
        return ["The ledger still names it as champion, but nothing is scored with it while it is refused."]
    return [f"{escaped(standing['holder'])} scores instead."] if standing.get("holder") else []


def _why(standing: Record) -> str:
    why = standing.get("why")
    return f"The ledger's entry: “{escaped(why)}”" if why else "The ledger has no entry for this version."


def _within_chance(evidence: Record) -> bool | None:
    """Whether chance explains that less or more came than was promised; None where that was not measured."""
    shift = at(evidence, "measured", "reliability", "overall", "shift")
    low, high = (finite(at(shift, end)) for end in ("low", "high"))
    if low is None or high is None:
        return None
    return low <= 0 <= high


def _basis(manifest: Record) -> str:
    test = _test(manifest)
    if not test:
        return ""
    rests = f"{number(test['rows'])} decisions with {number(test['positives'])} conversions"
    return (
        f'<p class="note">Measured on {rests}, from {day(test["first"])} to {day(test["last"])}. In brackets: the '
        "range that holds the true value with 95% confidence.</p>"
    )


def _at_random(evidence: Record) -> str:
    """Conversions per 100 calls of leads drawn at random, with an interval where there is one."""
    whole, base = _list(evidence, 1.0), _base_rate(evidence.get("manifest") or {})
    return spanned(whole["per_hundred"]) if whole else short(None if base is None else 100 * base)


def _list(evidence: Record, share: float) -> Record | None:
    lists: Sequence[Record] = at(evidence, "measured", "lists") or []
    return next((one for one in lists if one["share"] == share), None)


def _phrase(gate: Record) -> str:
    return phrase_of(gate["name"])


def _test(manifest: Record) -> Any:
    periods: Sequence[Record] = manifest.get("periods") or []
    return next((period for period in periods if period["name"] == "test"), {})


def _base_rate(manifest: Record) -> float | None:
    test = _test(manifest)
    return test["positives"] / test["rows"] if test.get("rows") else None
