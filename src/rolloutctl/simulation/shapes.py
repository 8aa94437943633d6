"""How traffic and errors go up and down by themselves, for both arms alike.

A shape is the environment: what it does to the canary it does to control at the same
moment. Levels are taken from a fixed ladder, so that few different intensities occur.
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import NamedTuple

from rolloutctl.simulation.draws import Draws, Expected

DAY_S = 86_400.0
#: Requests of a day go up and down by so much, and the share of errors with them.
DIURNAL_REQUESTS, DIURNAL_ERRORS = 0.6, 0.5
#: A burst brings so many times the quiet traffic; how long a burst and a quiet last on average.
BURST_FACTOR, BURST_S, QUIET_S = 6.0, 120.0, 600.0
#: Wandering traffic: standard deviation of the logarithm, and how long it remembers itself.
WANDER_SD, WANDER_S = 0.35, 600.0
#: The same for the share of errors.
WANDER_ERRORS_SD = 0.2
#: Requests of one session, and the share of sessions that fail or succeed as a whole
#: (the intraclass correlation).
SESSION_REQUESTS, SESSION_CORRELATION = 10, 0.1
#: Levels stand this far apart: 5 %.
_LADDER = math.log(1.05)


class Shape(StrEnum):
    """The course of the traffic."""

    STEADY = "steady"
    DIURNAL = "diurnal"
    BURSTY = "bursty"
    AUTOCORRELATED = "autocorrelated"
    CLUSTERED = "clustered"  # requests of one session fail together


class Level(NamedTuple):
    """What the healthy numbers are multiplied with at a moment."""

    requests: float
    errors: float


_ALWAYS = Level(1.0, 1.0)


class Weather:
    """The levels of one run, moment after moment."""

    def __init__(self, shape: Shape, draws: Draws | Expected) -> None:
        self.shape = shape
        self._draws = draws
        self._is_burst = False
        self._wander, self._wander_errors = 0.0, 0.0

    def at(self, second: float, *, lasting_s: float) -> Level:
        """The level of the interval that begins at `second` of the run; time only goes on."""
        match self.shape:
            case Shape.STEADY | Shape.CLUSTERED:
                return _ALWAYS
            case Shape.DIURNAL:
                wave = math.sin(2 * math.pi * (second + lasting_s / 2) / DAY_S)
                return Level(
                    _rung(math.log1p(DIURNAL_REQUESTS * wave)),
                    _rung(math.log1p(DIURNAL_ERRORS * wave)),
                )
            case Shape.BURSTY:
                return Level(self._burst(lasting_s), 1.0)
            case Shape.AUTOCORRELATED:
                keep = math.exp(-lasting_s / WANDER_S)
                self._wander = self._step(self._wander, keep, WANDER_SD)
                self._wander_errors = self._step(self._wander_errors, keep, WANDER_ERRORS_SD)
                # Minus half the variance: the mean of a lognormal number is then 1.
                return Level(
                    _rung(self._wander - WANDER_SD**2 / 2),
                    _rung(self._wander_errors - WANDER_ERRORS_SD**2 / 2),
                )

    def _burst(self, lasting_s: float) -> float:
        """A two-state Markov chain whose mean level is 1."""
        leave_s = BURST_S if self._is_burst else QUIET_S
        if self._draws.uniform() < -math.expm1(-lasting_s / leave_s):
            self._is_burst = not self._is_burst
        share = BURST_S / (BURST_S + QUIET_S)
        quiet = 1 / (1 + share * (BURST_FACTOR - 1))
        return quiet * BURST_FACTOR if self._is_burst else quiet

    def _step(self, now: float, keep: float, sd: float) -> float:
        """One step of a first-order autoregression with a standing deviation of `sd`."""
        return keep * now + sd * math.sqrt(1 - keep * keep) * self._draws.normal(0.0, 1.0)


def _rung(log_level: float) -> float:
    return math.exp(round(log_level / _LADDER) * _LADDER)
