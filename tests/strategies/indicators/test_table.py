"""The table itself: keys, look-up, parameters, expressions of first bars, and compiling ahead."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import strategies.indicators
from strategies.errors import IndicatorError, ParameterError
from strategies.indicators import volume
from strategies.indicators.declaration import GROUPS, Indicator, Output, whole
from strategies.indicators.table import INDICATORS, INDICATORS_BY_KEY, compile_all, get_indicator

ROOT = Path(__file__).parents[3]


def row(first: str) -> Indicator:
    return Indicator(
        key="sma",
        label="Average",
        group="averages",
        inputs=("series",),
        parameters=(whole("period", 17, "Bars"),),
        outputs=(Output("average", first),),
        formula="mean",
        source="none",
    )


def test_there_are_more_than_forty_with_keys_of_their_own() -> None:
    assert len(INDICATORS_BY_KEY) == len(INDICATORS) >= 40
    assert len({item.label for item in INDICATORS}) == len(INDICATORS)


def test_the_groups_stand_together() -> None:
    groups = [item.group for item in INDICATORS]
    assert groups == sorted(groups, key=GROUPS.index)
    assert set(groups) == set(GROUPS)


def test_an_indicator_is_found_by_its_key() -> None:
    assert get_indicator("ema").label == "Exponential moving average"
    assert get_indicator("ema").signature == "ema(series, period)"


def test_an_unknown_key_names_the_known_ones() -> None:
    with pytest.raises(IndicatorError, match=r"^unknown indicator 'emma'; known are: accumulation_distribution, adx, "):
        get_indicator("emma")


def test_everything_that_is_offered_is_in_the_table_or_makes_conditions_of_it() -> None:
    assert set(strategies.indicators.__all__) <= {
        *INDICATORS_BY_KEY,
        "crossed_above",
        "crossed_below",
        "crosses",
        "shifted",
    }


def test_values_are_the_defaults_unless_given() -> None:
    assert get_indicator("macd").values(slow=30) == {"fast": 12, "slow": 30, "signal": 9}
    assert get_indicator("obv").values() == {}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"period": 0}, "period: must be from 1 to 1000; it is 0"),
        ({"period": 2.5}, "period: must be a whole number; it is 2.5"),
        ({"length": 5}, "length: is not a parameter of ema; its parameters are: period"),
    ],
)
def test_values_outside_the_bounds_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError) as caught:
        get_indicator("ema").values(**given)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("expression", "expected"),
    [("0", 0), ("period", 17), ("2 * (period - 1) + 1", 33), ("isqrt(period) // 2", 2), ("max(period, 20)", 20)],
)
def test_the_first_valid_bar_is_an_expression(expression: str, expected: int) -> None:
    assert row(expression).first_valid() == (expected,)


@pytest.mark.parametrize("expression", ["1.5", "-period", "[period]", "'a'"])
def test_what_is_no_such_expression_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match="is no expression of whole numbers and parameters"):
        row(expression).first_valid()


def test_first_valid_bars_are_given_by_output() -> None:
    assert get_indicator("macd").first_valid() == (25, 33, 33)
    assert get_indicator("ichimoku").first_valid(shift=10) == (8, 25, 35, 61)


def test_compiling_all_brings_every_kernel() -> None:
    code = (
        "import sys\nfrom strategies.indicators.table import INDICATORS, compile_all\ncompile_all()\n"
        "modules = {f'strategies.indicators.{row.group}' for row in INDICATORS}\n"
        "sys.exit(not modules <= set(sys.modules))"
    )
    finished = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env={}, check=False)
    assert finished.returncode == 0
    compile_all()
    accumulate: Any = volume._accumulate
    assert accumulate.nopython_signatures
