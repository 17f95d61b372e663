"""Bars hold only a valid series, are cut without a copy, and refuse anything else by field and bar."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from strategies.bars import Bars, Signals
from strategies.errors import BarsError, SignalsError, StrategyError
from tests.builders import make_bars

TIMES = [100, 200, 300, 400]


def columns(**changed: Any) -> dict[str, Any]:
    valid = {
        "time": TIMES,
        "open": [10.0, 11.0, 12.0, 13.0],
        "high": [11.0, 12.0, 13.0, 14.0],
        "low": [9.0, 10.0, 11.0, 12.0],
        "close": [10.5, 11.5, 12.5, 13.5],
        "volume": [0.0, 1.0, 2.0, 3.0],
    }
    return valid | changed


def test_bars_keep_what_they_were_built_from() -> None:
    bars = Bars.of(**columns())
    assert len(bars) == 4
    for name, values in columns().items():
        assert getattr(bars, name).tolist() == values


def test_bars_have_the_promised_layout() -> None:
    bars = Bars.of(**columns(open=[10, 11, 12, 13]))
    for name in columns():
        column = getattr(bars, name)
        assert column.dtype == (np.int64 if name == "time" else np.float64)
        assert column.flags.c_contiguous
        assert not column.flags.writeable


def test_bars_are_a_copy_of_their_arrays() -> None:
    close = np.array(columns()["close"])
    bars = Bars.of(**columns(close=close))
    close[:] = 0.0
    assert bars.close.tolist() == columns()["close"]
    assert close.flags.writeable


def test_strided_arrays_become_contiguous() -> None:
    wide = np.repeat(np.array(columns()["close"]), 2)
    assert Bars.of(**columns(close=wide[::2])).close.tolist() == columns()["close"]


def test_no_bars_and_one_bar_are_bars() -> None:
    assert len(Bars.of(time=[], open=[], high=[], low=[], close=[], volume=[])) == 0
    assert len(Bars.of(time=[7], open=[1.0], high=[1.0], low=[1.0], close=[1.0], volume=[0.0])) == 1


@pytest.mark.parametrize("name", ["open", "high", "low", "close"])
@pytest.mark.parametrize(
    ("value", "rule"),
    [
        (float("nan"), "must be finite"),
        (float("inf"), "must be finite"),
        (float("-inf"), "must be finite"),
        (0.0, "from 1e-30 to 1e"),
        (-1.0, "from 1e-30 to 1e"),
        (1e-31, "from 1e-30 to 1e"),
        (1e31, "from 1e-30 to 1e"),
    ],
)
def test_a_price_that_is_none_is_refused_by_field_and_bar(name: str, value: float, rule: str) -> None:
    values = list(columns()[name])
    values[2] = value
    with pytest.raises(BarsError, match=rf"^{name} .*{rule}.*bar 2 .*\(1 of 4 bars\)$"):
        Bars.of(**columns(**{name: values}))


@pytest.mark.parametrize(
    ("value", "rule"), [(float("nan"), "finite"), (float("inf"), "finite"), (-0.5, "from 0 to"), (1e31, "from 0 to 1e")]
)
def test_a_volume_that_is_none_is_refused(value: float, rule: str) -> None:
    with pytest.raises(BarsError, match=rf"^volume .*{rule}.*bar 1"):
        Bars.of(**columns(volume=[1.0, value, 1.0, 1.0]))


@pytest.mark.parametrize("times", [[100, 200, 200, 400], [100, 300, 200, 400], [100, 200, 150, 120]])
def test_times_that_do_not_rise_are_refused(times: list[int]) -> None:
    with pytest.raises(BarsError, match=r"^time must rise; bar 2"):
        Bars.of(**columns(time=times))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"high": [11.0, 9.5, 13.0, 14.0]}, "^low must not be above high; bar 1"),
        ({"open": [10.0, 11.0, 13.5, 13.0]}, "^open must lie between low and high; bar 2"),
        ({"open": [8.0, 11.0, 12.0, 13.0]}, "^open must lie between low and high; bar 0"),
        ({"close": [10.5, 11.5, 12.5, 14.5]}, "^close must lie between low and high; bar 3"),
        ({"close": [10.5, 9.5, 10.5, 13.5]}, r"^close .*bar 1 breaks this \(2 of 4 bars\)"),
    ],
)
def test_prices_that_contradict_each_other_are_refused(changed: dict[str, list[float]], message: str) -> None:
    with pytest.raises(BarsError, match=message):
        Bars.of(**columns(**changed))


@pytest.mark.parametrize("name", ["open", "high", "low", "close", "volume"])
def test_columns_of_other_lengths_are_refused(name: str) -> None:
    with pytest.raises(BarsError, match=f"^{name} has 3 values, time has 4$"):
        Bars.of(**columns(**{name: columns()[name][:3]}))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"close": ["a", "b", "c", "d"]}, "^close must hold numbers"),
        ({"time": ["a", "b", "c", "d"]}, "^time must hold whole numbers"),
        ({"time": [1, 2, 3, math.nan]}, "^time must hold whole numbers"),
        ({"time": [[1], [2, 3]]}, "^time must hold whole numbers"),
        ({"time": 5}, "^time must have one dimension; it has 0"),
        ({"time": [1, 2, 3, 2**70]}, "^time must hold whole numbers"),
        ({"time": [1.0, 2.0, 3.5, 4.0]}, "^time must hold whole numbers"),
        (
            {"time": np.array(TIMES, dtype="datetime64[ns]")},
            "^time must hold whole numbers",
        ),
        ({"close": [None, {}, 1.0, 2.0]}, "^close must hold numbers"),
        ({"close": [[1.0], [1.0], [1.0], [1.0]]}, "^close must have one dimension; it has 2"),
        ({"volume": 5.0}, "^volume must have one dimension; it has 0"),
    ],
)
def test_what_is_no_column_is_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(BarsError, match=message):
        Bars.of(**columns(**changed))


def test_a_slice_shares_the_memory_of_its_bars() -> None:
    bars = Bars.of(**columns())
    part = bars[1:3]
    assert part.time.tolist() == [200, 300]
    assert part.close.tolist() == [11.5, 12.5]
    assert all(np.shares_memory(getattr(part, name), getattr(bars, name)) for name in columns())
    assert len(bars[:0]) == 0
    assert len(bars[2:99]) == 2


@pytest.mark.parametrize("part", [slice(None, None, 2), slice(None, None, -1), 1])
def test_bars_are_cut_in_no_other_way(part: Any) -> None:
    with pytest.raises(BarsError, match="slice of step 1"):
        Bars.of(**columns())[part]


@pytest.mark.parametrize(
    ("start_s", "end_s", "expected"),
    [
        (None, None, TIMES),
        (200, None, [200, 300, 400]),
        (201, None, [300, 400]),
        (None, 300, [100, 200]),
        (None, 301, [100, 200, 300]),
        (200, 400, [200, 300]),
        (0, 1000, TIMES),
        (500, None, []),
        (None, 100, []),
        (300, 200, []),
    ],
)
def test_between_takes_the_start_and_leaves_the_end(
    start_s: int | None, end_s: int | None, expected: list[int]
) -> None:
    assert Bars.of(**columns()).between(start_s, end_s).time.tolist() == expected


def test_fitting_signals_pass_the_check() -> None:
    bars = make_bars([1.0, 2.0])
    signals = Signals(entry=np.zeros(2, dtype=np.bool_), exit=np.ones(2, dtype=np.bool_))
    assert signals.checked(bars) is signals


@pytest.mark.parametrize("name", ["entry", "exit"])
@pytest.mark.parametrize(
    ("array", "got"),
    [
        (np.zeros(3, dtype=np.bool_), r"bool \(3,\)"),
        (np.zeros((2, 1), dtype=np.bool_), r"bool \(2, 1\)"),
        (np.zeros(2), r"float64 \(2,\)"),
        (np.zeros(2, dtype=np.int8), r"int8 \(2,\)"),
        ([False, False], "list"),
        (None, "NoneType"),
    ],
)
def test_signals_that_do_not_fit_are_refused_by_name(name: str, array: Any, got: str) -> None:
    fitting = {"entry": np.zeros(2, dtype=np.bool_), "exit": np.zeros(2, dtype=np.bool_)}
    signals = Signals(**(fitting | {name: array}))
    with pytest.raises(SignalsError, match=rf"^{name} must be bool of shape \(2,\); the strategy returned {got}$"):
        signals.checked(make_bars([1.0, 2.0]))


def test_the_errors_are_one_tree() -> None:
    assert issubclass(BarsError, StrategyError)
    assert issubclass(SignalsError, StrategyError)
    assert issubclass(StrategyError, ValueError)
