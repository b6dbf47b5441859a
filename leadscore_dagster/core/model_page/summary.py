"""The top of the page: what the model predicts, how good it is, what sales gets, and whether it may be used.

Plain sentences for somebody with two minutes. Does not belong here: the details (other sections).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from leadscore_dagster.core.gates import PHRASES, PROMOTION
from leadscore_dagster.core.model_page.reading import Record, absent, at, day, percent, short, spanned
from leadscore_dagster.core.page.text import counted, escaped, finite, number, section

#: gates that say something about the future: what a person can watch
_WATCHED = ("top_decile_lift", "auc_roc", "auc_pr_over_base", "ece")


def masthead(evidence: Record) -> str:
    """Title, facts, and the banner with the verdict."""
    recipe, manifest = evidence.get("recipe") or {}, evidence.get("manifest") or {}
    test = _test(manifest)
    facts = [
        ("version", f"<code>{escaped(evidence.get('version', '–'))}</code>"),
        ("known as of", day(evidence.get("as_of", manifest.get("as_of", "–")))),
        ("model", escaped(str(manifest.get("estimator", "–")).replace("_", " "))),
        ("judged on", f"{number(test.get('rows'))} decisions, {number(test.get('positives'))} positives"),
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
    standing = evidence.get("standing") or {}
    if not gates:
        return "waiting", ["No gate has judged this version, so it must not be used."]
    if failed:
        told = [f"Must not be used: {counted(len(failed), 'gate')} of {len(gates)} refused it."]
        return "refused", told + [escaped(gate["why"]) for gate in failed]
    audit = evidence.get("audit") or {}
    if audit.get("blocks"):
        return "refused", ["Must not be used: the leakage audit of its training table blocks.", escaped(audit["why"])]
    waived = [gate for gate in gates if gate.get("waived")]
    told = [f"All {len(gates)} gates passed."]
    if waived:
        told = [f"{counted(len(gates) - len(waived), 'gate')} of {len(gates)} passed, {len(waived)} waived."]
        told += [f"Waived: {escaped(gate['why'])}" for gate in waived]
    if standing.get("champion"):
        state = "waiting" if waived else "passed"
        return state, [f"May be used: it is the champion since {day(standing['since'])}.", *told, _why(standing)]
    holder = f" {escaped(standing['holder'])} scores instead." if standing.get("holder") else ""
    sound = "Usable while it is waived, but not in use." if waived else "Sound, but not in use."
    return "waiting", [f"{sound}{holder}", *told, _why(standing)]


def key_numbers(evidence: Record) -> str:
    """The four numbers a sales lead asks for, each with its interval."""
    manifest, measured = evidence.get("manifest") or {}, evidence.get("measured") or {}
    metrics = manifest.get("metrics") or {}
    tenth = next((one for one in measured.get("lists") or [] if one["share"] == 0.1), None)
    base = _base_rate(manifest)
    tiles = []
    if tenth:
        tiles.append(
            (
                "conversions per 100 calls",
                spanned(tenth["per_hundred"]),
                f"calling the best tenth; at random {short(100 * base) if base is not None else '–'}",
            )
        )
    lift, area = metrics.get("top_decile_lift"), metrics.get("auc_roc")
    if lift:
        tiles.append(("times the average", spanned(lift), "how often the best tenth converts (lift)"))
    if area:
        tiles.append(("pairs in the right order", spanned(area, "percent"), "AUC-ROC; 50% is chance, 100% perfect"))
    if finite(measured.get("expected")) is not None:
        promised = short(round(measured["expected"]))
        tiles.append(
            ("promised, and came", f"{promised} → {number(measured['positives'])}", "conversions in the test period")
        )
    if not tiles:
        return ""
    made = "".join(f"<div><b>{value}</b><span>{name}</span><small>{what}</small></div>" for name, value, what in tiles)
    return f'<div class="numbers">{made}</div>'


def in_short(evidence: Record) -> str:
    """Five answers in plain sentences, and what would end the trust."""
    answers = [
        ("What it predicts", _predicts(evidence)),
        ("How good it is", _quality(evidence)),
        ("What sales gets", _gain(evidence)),
        ("Whether its probabilities can be taken at their word", _honesty(evidence)),
        ("What would make us stop trusting it", _doubts(evidence)),
    ]
    body = "".join(f"<div><dt>{question}</dt><dd>{answer}</dd></div>" for question, answer in answers)
    lead = "For everybody. What follows below is for those who want to check it."
    return section("In short", lead, f'<dl class="answers">{body}</dl>', "short")


def _predicts(evidence: Record) -> str:
    manifest, recipe = evidence.get("manifest") or {}, evidence.get("recipe") or {}
    test, days = _test(manifest), manifest.get("label_window_days")
    if not test:
        return absent("the version's manifest names no test period")
    window = f" The outcome of a decision counts {number(days)} days later." if days else ""
    return (
        f"{escaped(recipe.get('title', 'The outcome'))}.{window} It was chosen, fitted and calibrated on earlier "
        f"decisions and judged once, on {number(test['rows'])} decisions from {day(test['first'])} to "
        f"{day(test['last'])}; {number(test['positives'])} of them ({percent(_base_rate(manifest))}) converted."
    )


def _quality(evidence: Record) -> str:
    metrics = at(evidence, "manifest", "metrics") or {}
    lift, area = metrics.get("top_decile_lift"), metrics.get("auc_roc")
    if not lift or finite(lift.get("value")) is None:
        return absent("no lift is stored with this version")
    told = f"The tenth of the leads with the best scores converts {spanned(lift)} times as often as the average lead."
    if area and finite(area.get("value")) is not None:
        pairs = spanned(area, "percent")
        told += f" Of one lead that converts and one that does not, it puts the right one first in {pairs}."
    return f"{told} In brackets: the range the true value lies in with 95% confidence."


def _gain(evidence: Record) -> str:
    lists, base = at(evidence, "measured", "lists") or [], _base_rate(evidence.get("manifest") or {})
    tenth = next((one for one in lists if one["share"] == 0.1), None)
    if tenth is None or not base:
        return absent("this version was registered without what a call list brings")
    half = next((one for one in lists if one["share"] == 0.5), None)
    told = (
        f"Of 100 calls to the best tenth {spanned(tenth['per_hundred'])} convert; of 100 calls at random "
        f"{short(100 * base)}. One conversion takes {spanned(tenth['calls_per_conversion'])} calls instead of "
        f"{short(1 / base)}."
    )
    if half:
        told += f" Calling the better half finds {spanned(half['found'], 'percent')} of all conversions."
    if tenth.get("over_champion"):
        told += f" Against the present champion: {spanned(tenth['over_champion'], 'signed')} conversions per 100 calls."
    return told


def _honesty(evidence: Record) -> str:
    measured = evidence.get("measured") or {}
    shift, expected = at(measured, "reliability", "overall", "shift"), finite(measured.get("expected"))
    if expected is None:
        return absent("this version was registered without its reliability")
    came = measured["positives"]
    told = f"It promised {short(expected)} conversions in the test period and {number(came)} came."
    low, high = (finite(at(shift, end)) for end in ("low", "high"))
    if low is None or high is None:
        return told
    if low <= 0 <= high:
        return f"{told} That is within what chance explains."
    word = "high" if high < 0 else "low"
    return (
        f"{told} That is more than chance explains: probabilities are too {word}, by a factor of about "
        f"{short(expected / came if came else None, 2)}. Who comes first is not affected."
    )


def _doubts(evidence: Record) -> str:
    """Conditions a person can watch: gates on later outcomes, age, what is unproven."""
    gates = {gate["name"]: gate for gate in evidence.get("gates") or []}
    told = []
    for name in _WATCHED:
        gate = gates.get(name)
        if gate is None or gate["value"] is None:
            continue
        at_most = name == "ece"
        form = percent if at_most else short
        rule = f"{'rises above' if at_most else 'falls below'} {form(gate['threshold'])}"
        told.append(f"its {escaped(PHRASES[name])} on new outcomes {rule} (now {form(gate['value'])})")
    limit = at(evidence, "recipe", "stale_after_quarters")
    if limit:
        told.append(
            f"it is older than {counted(limit, 'quarter')}: a newer model then replaces it unless clearly worse"
        )
    audit = evidence.get("audit") or {}
    unproven = [name for name, kind in (audit.get("overall") or {}).items() if kind in ("unproven", "clock")]
    if unproven:
        noun = counted(len(unproven), "feature is", "features are")
        told.append(f"a vintage shows that one of its unproven features is filled in later ({noun} unproven)")
    if not told:
        return absent("no gate and no limit of age is stored with this version")
    return "<ul>" + "".join(f"<li>If {one}.</li>" for one in told) + "</ul>"


def _why(standing: Record) -> str:
    why = standing.get("why")
    return f"The ledger says of it: {escaped(why)}" if why else "The ledger has no entry for this version."


def _test(manifest: Record) -> Any:
    periods: Sequence[Record] = manifest.get("periods") or []
    return next((period for period in periods if period["name"] == "test"), {})


def _base_rate(manifest: Record) -> float | None:
    test = _test(manifest)
    return test["positives"] / test["rows"] if test.get("rows") else None
