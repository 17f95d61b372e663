from __future__ import annotations

from datetime import timedelta

import pytest

from backtests.streams import figures


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (12.34, "+12.3 %"),
        (-12.36, "−12.4 %"),
        (0.0, "0.0 %"),
        (-0.0, "0.0 %"),
        (0.04, "0.0 %"),
        (-0.04, "0.0 %"),
        (0.06, "+0.1 %"),
        (-0.06, "−0.1 %"),
        (1234567.89, "+1,234,567.9 %"),
        (-100.0, "−100.0 %"),
    ],
)
def test_a_percentage_has_its_sign(value: float | None, text: str) -> None:
    assert figures.signed_pct(value) == text


@pytest.mark.parametrize(("digits", "text"), [(0, "+13 %"), (2, "+12.57 %")])
def test_a_percentage_is_rounded_as_asked(digits: int, text: str) -> None:
    assert figures.signed_pct(12.567, digits) == text


@pytest.mark.parametrize(
    ("value", "text"), [(None, "–"), (0.0, "0 %"), (66.6, "67 %"), (100.0, "100 %"), (-3.0, "−3 %")]
)
def test_a_share_has_no_plus_sign(value: float | None, text: str) -> None:
    assert figures.pct(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(None, "–"), (1.254, "1.25"), (-0.5, "−0.50"), (0.0, "0.00"), (-0.001, "0.00")]
)
def test_a_ratio_has_a_sign_if_it_is_negative(value: float | None, text: str) -> None:
    assert figures.ratio(value) == text


@pytest.mark.parametrize(("value", "text"), [(None, "–"), (0, "0"), (7, "7"), (1234567, "1,234,567")])
def test_a_count_has_its_thousands_separated(value: int | None, text: str) -> None:
    assert figures.count(value) == text


@pytest.mark.parametrize(("value", "name"), [(None, "flat"), (0.0, "flat"), (0.1, "up"), (-0.1, "down")])
def test_a_figure_has_a_tone(value: float | None, name: str) -> None:
    assert figures.tone(value) == name


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (None, "–"),
        (0.0, "0 ms"),
        (-1.0, "0 ms"),
        (0.0854, "85 ms"),
        (3.21, "3.2 s"),
        (timedelta(minutes=4, seconds=10.6), "4 min 10 s"),
        (7500.0, "2 h 5 min"),
        (timedelta(days=2), "48 h 0 min"),
    ],
)
def test_a_length_of_time_has_two_units(span: timedelta | float | None, text: str) -> None:
    assert figures.duration(span) == text


@pytest.mark.parametrize(
    ("elapsed_us", "text"),
    [(0, "0 µs"), (999, "999 µs"), (1200, "1.2 ms"), (999_949, "999.9 ms"), (3_210_000, "3.2 s")],
)
def test_what_computing_a_symbol_took(elapsed_us: int, text: str) -> None:
    assert figures.computing(elapsed_us) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (0.0, "p < 0.001"),
        (0.00099, "p < 0.001"),
        (0.0412, "p = 0.041"),
        (0.5, "p = 0.50"),
        (1.0, "p = 1.00"),
    ],
)
def test_a_probability_has_as_many_digits_as_count(value: float | None, text: str) -> None:
    assert figures.p_value(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0.0, "0"),
        (-0.4, "0"),
        (1234.5, "+1,234"),
        (-999_999.0, "−999,999"),
        (2_155_000.0, "+2.15 M"),
        (-3.2e9, "−3.20 bn"),
    ],
)
def test_an_amount_has_its_sign_and_no_cents(value: float | None, text: str) -> None:
    assert figures.money(value) == text


@pytest.mark.parametrize(
    ("count", "seconds", "text"),
    [(0, 1.0, "–"), (5, None, "–"), (5, 0.0, "–"), (5, 2.0, "2.5/s"), (3120, 1.0, "3,120/s")],
)
def test_a_rate_is_by_the_second(count: int, seconds: float | None, text: str) -> None:
    assert figures.rate(count, seconds) == text
