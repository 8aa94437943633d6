"""How long an experiment takes at the traffic there is: the time until its units are there."""

from __future__ import annotations

from rolloutctl.core.experiment import Experiment, Want
from rolloutctl.core.sight import Outlook, Sight
from rolloutctl.core.stats.sample_size import visible_share


def see(experiment: Experiment, outlook: Outlook, *, per_s: float) -> Sight:
    """What an experiment shows at `per_s` units a second, of both arms together.

    Never blind: however long the step holds, it waits for the planned sample.
    """
    test, share = experiment.test, outlook.canary_share
    control_per_s, canary_per_s = per_s * (1 - share), per_s * share
    control, canary = experiment.planned()
    seconds = None
    if control_per_s > 0 and canary_per_s > 0:
        seconds = max(control / control_per_s, canary / canary_per_s)
    reached = visible_share(
        test.baseline,
        control_per_s * outlook.judged_s,
        is_increase=experiment.want is Want.INCREASE,
        design=experiment.design(),
    )
    smallest = "" if reached is None else f"{(reached - test.baseline) * 100:+.3g}pp"
    return Sight(
        effect=f"{test.effect * 100:+g}pp from {test.baseline * 100:g}%",
        seconds=seconds,
        smallest=smallest,
    )
