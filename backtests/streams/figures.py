"""Numbers as people read them: a sign where it matters, a dash where there is no value."""

from __future__ import annotations

from datetime import timedelta

NO_VALUE = "–"
MINUS = "−"


def signed_pct(value: float | None, digits: int = 1) -> str:
    """Return a percentage with its sign, such as +12.3 %."""
    if value is None:
        return NO_VALUE
    text = f"{value:+,.{digits}f} %"
    # What is shown as zero has no sign.
    if text[1] == "0" and not text.strip("+-0. %"):
        return text[1:]
    return text if text[0] == "+" else f"{MINUS}{text[1:]}"


def pct(value: float | None, digits: int = 0) -> str:
    """Return a percentage without a plus sign."""
    return signed_pct(value, digits).removeprefix("+")


def ratio(value: float | None, digits: int = 2) -> str:
    """Return a ratio such as 1.25."""
    if value is None:
        return NO_VALUE
    text = f"{value:.{digits}f}"
    if text[0] != "-":
        return text
    return f"{MINUS}{text[1:]}" if text.strip("-0.") else text[1:]


def parameter(value: float) -> str:
    """Return a strategy's parameter as short as it can be with every digit that anybody has typed."""
    return f"{value:.12g}"


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


def computing(elapsed_us: int) -> str:
    """Return what computing one symbol took: 85 µs, 1.2 ms, 3.2 s."""
    if elapsed_us < 1000:
        return f"{elapsed_us} µs"
    return f"{elapsed_us / 1000:.1f} ms" if elapsed_us < 1_000_000 else duration(elapsed_us / 1e6)


def p_value(value: float | None) -> str:
    """Return a probability as a test's outcome: p = 0.04, p < 0.001."""
    if value is None:
        return ""
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}" if value < 0.1 else f"p = {value:.2f}"


def money(value: float | None) -> str:
    """Return an amount with its sign and without cents: +1,234; large ones in millions."""
    if value is None:
        return NO_VALUE
    size = abs(value)
    text = f"{size:,.0f}" if size < 1e6 else f"{size / 1e6:,.2f} M" if size < 1e9 else f"{size / 1e9:,.2f} bn"
    if round(size) == 0:
        return "0"
    return f"+{text}" if value > 0 else f"{MINUS}{text}"


def rate(count: int, seconds: float | None) -> str:
    """Return how many there were a second: 3,120/s, 4.2/s."""
    if not seconds or not count:
        return NO_VALUE
    each_s = count / seconds
    return f"{each_s:,.0f}/s" if each_s >= 10 else f"{each_s:.1f}/s"
