"""Indicators that weigh moves by the volume behind them."""

from __future__ import annotations

import numpy as np

from strategies.bars import FloatArray
from strategies.indicators.arguments import checked_inputs, checked_period, padded, ratio
from strategies.indicators.averages import exponential
from strategies.indicators.kernel import FLOATS, FLOATS_OUT, kernel
from strategies.indicators.ranges import typical_price
from strategies.indicators.windows import window_sums


def obv(series: FloatArray, volume: FloatArray) -> FloatArray:
    """On-balance volume: the running sum of volume, added on a rise, subtracted on a fall.

    Parameters
    ----------
    series : float64, shape (n,)
        Finite values in any unit, after any number of leading NaN.
    volume : float64, shape (n,)
        Zero or more.

    Returns
    -------
    float64, shape (n,)
        In units traded; defined from the first bar, on which it is that bar's volume.

    Raises
    ------
    IndicatorError
        If an input is not one of finite numbers, their lengths differ, or a volume is negative.

    References
    ----------
    J. E. Granville, New Key to Stock Market Profits, 1963. Equal to TA-Lib's OBV to 1e-9.
    """
    n, (values, volumes) = checked_inputs("obv", series=series, volume=volume)
    signed = volumes.copy()
    signed[1:] *= np.sign(np.diff(values))
    return padded(_accumulated(signed), n)


def accumulation_distribution(high: FloatArray, low: FloatArray, close: FloatArray, volume: FloatArray) -> FloatArray:
    """Accumulation/distribution line: the running sum of volume times where the close stands in its bar, -1 to 1.

    Parameters
    ----------
    high, low, close : float64, shape (n,)
        Prices, ``low <= high``.
    volume : float64, shape (n,)
        Zero or more.

    Returns
    -------
    float64, shape (n,)
        In units traded; defined from the first bar. A bar whose high is its low adds nothing.

    Raises
    ------
    IndicatorError
        If an input is not one of finite numbers, their lengths differ, a low is above its high, or a volume is
        negative.

    References
    ----------
    M. Chaikin, in S. B. Achelis, Technical Analysis from A to Z, 1995. Equal to TA-Lib's AD to 1e-9.
    """
    name = "accumulation_distribution"
    n, (high, low, close, volume) = checked_inputs(name, high=high, low=low, close=close, volume=volume)
    return padded(_accumulated(_money_flow(high, low, close, volume)), n)


def cmf(high: FloatArray, low: FloatArray, close: FloatArray, volume: FloatArray, period: int) -> FloatArray:
    """Chaikin money flow: volume times where the close stands in its bar, as a share of all volume of a window.

    Parameters
    ----------
    high, low, close, volume : float64, shape (n,)
        As for :func:`accumulation_distribution`.
    period : int
        Bars in the window, at least 2.

    Returns
    -------
    float64, shape (n,)
        From -1 to 1; NaN before index ``period - 1``. A window without volume gives 0.

    Raises
    ------
    IndicatorError
        If the period is not a whole number of at least 2, and as :func:`accumulation_distribution`.

    References
    ----------
    M. Chaikin, in S. B. Achelis, Technical Analysis from A to Z, 1995. Equal to TA-Lib's CMF to 1e-9.
    """
    period = checked_period("cmf", period, low=2)
    n, (high, low, close, volume) = checked_inputs("cmf", high=high, low=low, close=close, volume=volume)
    flow = _money_flow(high, low, close, volume)
    return padded(ratio(window_sums(flow, period), window_sums(volume, period)), n)


def force_index(series: FloatArray, volume: FloatArray, period: int) -> FloatArray:
    """Force index: the exponential average of ``change * volume``.

    Parameters
    ----------
    series : float64, shape (n,)
        Finite values in any unit, after any number of leading NaN.
    volume : float64, shape (n,)
        Zero or more.
    period : int
        At least 1; 1 gives the force of each bar alone.

    Returns
    -------
    float64, shape (n,)
        In the unit of ``series`` times units traded; NaN before index ``period``.

    Raises
    ------
    IndicatorError
        If the period is not a whole number of at least 1, an input is not one of finite numbers, their lengths differ,
        or a volume is negative.

    References
    ----------
    A. Elder, Trading for a Living, 1993. Equal to TA-Lib's EFI to 1e-9.
    """
    period = checked_period("force_index", period)
    n, (values, volumes) = checked_inputs("force_index", series=series, volume=volume)
    return padded(exponential(np.diff(values) * volumes[1:], period), n)


def mfi(high: FloatArray, low: FloatArray, close: FloatArray, volume: FloatArray, period: int) -> FloatArray:
    """Money flow index: ``100 * rising flow / (rising + falling flow)``, sums over the last ``period`` changes.

    The flow of a bar is its typical price times its volume, and rises or falls with the typical price.

    Parameters
    ----------
    high, low, close : float64, shape (n,)
        Prices, ``low <= high``.
    volume : float64, shape (n,)
        Zero or more.
    period : int
        Changes in the window, at least 2.

    Returns
    -------
    float64, shape (n,)
        From 0 to 100; NaN before index ``period``. A window without any flow gives 50, where TA-Lib gives 0.

    Raises
    ------
    IndicatorError
        If the period is not a whole number of at least 2, and as :func:`accumulation_distribution`.

    References
    ----------
    G. Quong and A. Soudack, Volume-Weighted RSI: Money Flow, Stocks & Commodities 7, 1989. Equal to TA-Lib's MFI to
    1e-9.
    """
    period = checked_period("mfi", period, low=2)
    n, (high, low, close, volume) = checked_inputs("mfi", high=high, low=low, close=close, volume=volume)
    typical = typical_price(high, low, close)
    flow, change = (typical * volume)[1:], np.diff(typical)
    rising = window_sums(np.where(change > 0, flow, 0.0), period)
    falling = window_sums(np.where(change < 0, flow, 0.0), period)
    return padded(ratio(100.0 * rising, rising + falling, 50.0), n)


def _money_flow(high: FloatArray, low: FloatArray, close: FloatArray, volume: FloatArray) -> FloatArray:
    return ratio((close - low) - (high - close), high - low) * volume


def _accumulated(values: FloatArray) -> FloatArray:
    total = np.empty(len(values))
    _accumulate(values, total)
    return total


@kernel((FLOATS, FLOATS_OUT))
def _accumulate(values, total):  # type: ignore[no-untyped-def]
    """A running sum that carries what each addition rounds off (Neumaier): it stays exact over any history."""
    exact = 0.0
    lost = 0.0
    for t in range(len(values)):
        added = exact + values[t]
        if abs(exact) >= abs(values[t]):
            lost += (exact - added) + values[t]
        else:
            lost += (values[t] - added) + exact
        exact = added
        total[t] = exact + lost
