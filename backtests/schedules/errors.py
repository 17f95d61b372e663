"""Errors of schedules.

ScheduleError
└── TooManySchedules    an owner has as many as may be
"""

from __future__ import annotations


class ScheduleError(ValueError):
    """Base of everything that this package raises on purpose."""


class TooManySchedules(ScheduleError):
    """No further schedule: the message says how many there are, and what to do."""
