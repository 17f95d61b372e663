"""Numbers as people read them: a sign where it matters, a dash where there is no value."""

from __future__ import annotations

from datetime import timedelta

NO_VALUE = "–"
MINUS = "−"


def signed_pct(value: float | None, digits: int = 1) -> str:
    """Return a percentage with its sign, such as +12.3 %."""
    if value is None:
        return NO_VALUE
    text = f"{abs(value):,.{digits}f} %"
    if float(f"{value:.{digits}f}") == 0:
        return text
    return f"+{text}" if value > 0 else f"{MINUS}{text}"


def pct(value: float | None, digits: int = 0) -> str:
    """Return a percentage without a plus sign."""
    return signed_pct(value, digits).removeprefix("+")


def ratio(value: float | None, digits: int = 2) -> str:
    """Return a ratio such as 1.25."""
    if value is None:
        return NO_VALUE
    text = f"{abs(value):.{digits}f}"
    return f"{MINUS}{text}" if float(f"{value:.{digits}f}") < 0 else text


def count(value: int | None) -> str:
    """Return a count with thousands separated."""
    return NO_VALUE if value is None else f"{value:,}"


def tone(value: float | None) -> str:
    """Return the class that colours a figure: up, down or flat."""
    if value is None or value == 0:
        return "flat"
    return "up" if value > 0 else "down"


def duration(span: timedelta | float | None) -> str:
    """Return a length of time in its two largest units: 85 ms, 3.2 s, 4 min 10 s, 2 h 5 min."""
    if span is None:
        return NO_VALUE
    seconds = max(0.0, span.total_seconds() if isinstance(span, timedelta) else span)
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
