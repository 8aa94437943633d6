"""The answers of `rolloutctl abtest` as text for people and documents for machines; pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from rolloutctl.core.ab_report import POWER, SPLIT_P_MIN, AbReport
from rolloutctl.core.ab_size import AbPlan
from rolloutctl.core.json_types import Json
from rolloutctl.core.stats.against_control import FISHER, Comparison, told_p
from rolloutctl.core.stats.counted import Significance
from rolloutctl.core.stats.sample_size import SizeFormula
from rolloutctl.core.units import format_duration
from rolloutctl.ui.messages import API_VERSION
from rolloutctl.ui.table import table, wrapped

POOLED = "pooled, two-sided chi-square without Yates' correction (R: power.prop.test)"
ASSUMES_SIZE = (
    "units are independent and keep their arm, each counts once, and the test is done "
    "once, when every arm has its units"
)
ASSUMES_REPORT = (
    "these are units, not requests; they are independent and kept their arm; the sample "
    "was planned, and this is the one look at it"
)


def size_text(plan: AbPlan, per_s: float | None, measured: str, width: int) -> str:
    """How many units, by which formula, how long, on which assumptions."""
    units, other = plan.units(), plan.units(SizeFormula.UNPOOLED)
    lines = [
        f"{_units(units)}, {sum(units.values()):,} in all",
        f"  formula: {POOLED}",
        f"  the unpooled formula gives {_units(other)}",
        f"  control {_percent(plan.baseline)}, {plan.effect * 100:+.6g}pp, {_errors(plan)}",
    ]
    comparisons = len(plan.weights) - 1
    if comparisons > 1:
        lines.append(
            f"  {comparisons} comparisons with control, each at alpha "
            f"{_percent(plan.alpha_each)} (Holm's correction needs no more)"
        )
    if per_s is not None:
        lines.append(
            f"at {per_s:.4g} units a second it takes {format_duration(plan.seconds(per_s))}"
        )
    lines += [line for line in (measured, f"assumes: {ASSUMES_SIZE}") if line]
    return "\n".join(
        wrapped(line, width, indent="  ") if line[0] != " " else line for line in lines
    )


def size_document(plan: AbPlan, per_s: float | None, measured: str) -> Mapping[str, Json]:
    """The same for machines."""
    return {
        "apiVersion": API_VERSION,
        "kind": "AbTestSize",
        "formula": SizeFormula.POOLED.value,
        "units": dict(plan.units()),
        "units_unpooled": dict(plan.units(SizeFormula.UNPOOLED)),
        "baseline": plan.baseline,
        "effect": plan.effect,
        "alpha": plan.alpha,
        "alpha_each": plan.alpha_each,
        "power": plan.power,
        "per_s": per_s,
        "seconds": None if per_s is None else plan.seconds(per_s),
        "measured": measured,
        "assumes": ASSUMES_SIZE,
    }


def report_text(found: AbReport, width: int) -> str:
    """The arms, the split, the test, one sentence for each arm, the assumptions."""
    parts = [_arms(found, width), _split(found)]
    if not found.is_split_broken:
        parts += _tests(found)
    parts += [_sentence(found, arm) for arm in found.comparisons]
    if found.visible is not None:
        parts.append(
            f"samples of this size show a difference of {found.visible * 100:.3g}pp or more with "
            f"{_percent(POWER)} power"
        )
    parts.append(f"assumes: {ASSUMES_REPORT}")
    head, *rest = parts
    return "\n".join([head, *(wrapped(part, width, indent="  ") for part in rest)])


def report_document(found: AbReport) -> Mapping[str, Json]:
    """The same for machines; an infinite statistic is null."""
    return {
        "apiVersion": API_VERSION,
        "kind": "AbTestAnalysis",
        "alpha": found.alpha,
        "want": found.want,
        "arms": [
            {"name": name, "success": success, "total": total, "share": success / total}
            for name, (success, total) in found.arms.items()
        ],
        "split": {**_test_json(found.split), "is_broken": found.is_split_broken},
        "chi_square": _test_json(found.overall),
        "chi_square_yates": _test_json(found.yates),
        "fisher": _test_json(found.fisher),
        "comparisons": [
            _comparison_json(found, arm, one) for arm, one in found.comparisons.items()
        ],
        "visible_effect": found.visible,
        "assumes": ASSUMES_REPORT,
    }


def _arms(found: AbReport, width: int) -> str:
    rows = []
    for name, (success, total) in found.arms.items():
        one = found.comparisons.get(name)
        row = [name, f"{success:,.10g}", f"{total:,.10g}", _percent(success / total)]
        if one is None:
            rows.append([*row, "", "", ""])
            continue
        interval = f"{_points(one.low)} to {_points(one.high)}"
        p_value = "" if found.is_split_broken else f"{one.corrected_p:.3g}"
        rows.append([*row, _points(one.effect), interval, p_value])
    level = f"{(1 - found.alpha) * 100:g}% INTERVAL"
    tested = "P" if len(found.comparisons) == 1 else "HOLM P"
    headers = ["ARM", "SUCCESS", "UNITS", "SHARE", "EFFECT", level, tested]
    return table(headers, rows, width)


def _split(found: AbReport) -> str:
    weights = ":".join(f"{weight:g}" for weight in found.weights)
    said = f"chi-square {found.split.statistic:.6g}, {told_p(found.split.p_value)}"
    if found.is_split_broken:
        return (
            f"sample ratio mismatch: these units are not split {weights} "
            f"({said} < {SPLIT_P_MIN:g}); nothing is judged. "
            "Look for units that are lost or counted twice in one arm"
        )
    return f"split {weights}: as intended ({said})"


def _tests(found: AbReport) -> Iterator[str]:
    freedom = len(found.arms) - 1
    degrees = f"{freedom} degree{'s' if freedom > 1 else ''} of freedom"
    yield f"chi-square {found.overall.statistic:.6g} ({degrees}), {told_p(found.overall.p_value)}"
    if found.yates is not None:
        also = f"with Yates' correction {found.yates.statistic:.6g}, {told_p(found.yates.p_value)}"
        exact = (
            f"; Fisher's test {told_p(found.fisher.p_value)}" if found.fisher is not None else ""
        )
        yield f"  for comparison: {also}{exact}"
    if freedom > 1:
        yield (
            f"p-values of {freedom} arms are corrected by Holm; their intervals hold together "
            "(Bonferroni)"
        )


def _sentence(found: AbReport, arm: str) -> str:
    one, verdict = found.comparisons[arm], found.verdict(arm)
    if found.is_split_broken:
        return f"{arm}: {verdict}"
    relation = "<" if one.is_significant else ">="
    test = "Fisher's test, a cell is expected below 5" if one.method == FISHER else one.method
    p_value = f"{test}, {told_p(one.corrected_p)} {relation} {found.alpha:g}"
    if not one.is_significant:
        return f"{arm}: {verdict}: no difference from {found.control} is shown ({p_value})"
    control = found.arms[found.control]
    share = control[0] / control[1]
    relative = f", {one.effect / share * 100:+.3g}% of it" if share > 0 else ""
    return f"{arm}: {verdict}: {_points(one.effect)} against {found.control}{relative} ({p_value})"


def _comparison_json(found: AbReport, arm: str, one: Comparison) -> Json:
    control = found.arms[found.control]
    return {
        "arm": arm,
        "method": one.method,
        "statistic": _finite(one.statistic),
        "p_value": one.p_value,
        "p_corrected": one.corrected_p,
        "effect": one.effect,
        "relative": one.effect / (control[0] / control[1]) if control[0] > 0 else None,
        "interval": [one.low, one.high],
        "significant": one.is_significant,
        "verdict": found.verdict(arm),
    }


def _test_json(test: Significance | None) -> dict[str, Json]:
    if test is None:
        return {"statistic": None, "p_value": None}
    return {"statistic": _finite(test.statistic), "p_value": test.p_value}


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _units(units: Mapping[str, int]) -> str:
    if len(set(units.values())) == 1:
        return f"{next(iter(units.values())):,} units for each of {len(units)} arms"
    return ", ".join(f"{needed:,} units for {arm}" for arm, needed in units.items())


def _errors(plan: AbPlan) -> str:
    return f"alpha {_percent(plan.alpha)} two-sided, power {_percent(plan.power)}"


def _percent(share: float) -> str:
    return f"{share * 100:.4g}%"


def _points(difference: float) -> str:
    return f"{difference * 100:+.3g}pp"
