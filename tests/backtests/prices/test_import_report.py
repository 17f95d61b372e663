from __future__ import annotations

import csv
from pathlib import Path

import pytest

from backtests.prices.findings import Finding, found, number_text, time_text
from backtests.prices.import_report import LINES_OF_KIND, finding_lines, kind_counts, write_csv
from tests.builders import DAY_S, MONDAY_S


def test_findings_stand_under_what_was_done_and_why() -> None:
    lines = list(
        finding_lines(
            [
                found("volume-zero", symbol="BBB", time=MONDAY_S),
                found("value-missing", symbol="AAA", time=MONDAY_S, detail="no open"),
            ]
        )
    )
    assert lines == [
        "",
        "Dropped: these rows cannot be used",
        "  missing value: 1 in 1 symbol. A bar needs all of open, high, low, close and volume.",
        "    AAA        2024-01-01 no open",
        "",
        "Kept, but look at these",
        "  zero volume: 1 in 1 symbol. Nothing was traded: the price of the bar is a quote.",
        "    BBB        2024-01-01",
    ]


def test_a_symbols_missing_sessions_share_lines_that_are_not_too_long() -> None:
    lines = list(finding_lines([found("session-missing", symbol="AAA", time=MONDAY_S + n * DAY_S) for n in range(40)]))
    text = "\n".join(lines)
    assert "AAA        40: 2024-01-01, 2024-01-02," in text
    assert "2024-01-30 ... and 10 more" in text
    assert max(len(line) for line in text.split("\n")) <= 118


def test_many_symbols_with_the_same_finding_share_a_line() -> None:
    findings = [found("volume-zero", symbol=f"S{number}", time=MONDAY_S) for number in range(8)]
    lines = list(finding_lines(findings))
    assert lines[-1] == "    2024-01-01, each of 8 symbols: S0, S1, S2, S3, S4, S5, S6, S7"


def test_a_long_list_is_cut_and_says_so() -> None:
    findings = [
        found("history-short", symbol=f"S{number:03}", detail=f"{number} bars") for number in range(LINES_OF_KIND + 5)
    ]
    lines = list(finding_lines(findings))
    assert lines[-1] == "    ... and 5 more lines; --report FILE has them all"
    assert len(lines) == 3 + LINES_OF_KIND + 1


def test_a_symbol_with_many_bad_rows_shows_the_first() -> None:
    findings = [found("value-missing", symbol="AAA", time=MONDAY_S + n * DAY_S, detail="no open") for n in range(20)]
    assert list(finding_lines(findings))[-1].strip() == "... and 12 more"


def test_the_csv_has_every_finding(tmp_path: Path) -> None:
    findings = [
        Finding("volume-zero", "dropped", "AAA", MONDAY_S + 3600, "dropped for another reason"),
        found("symbol-missing", detail="3 rows", n_rows=3),
    ]
    write_csv(findings, tmp_path / "report.csv")
    with (tmp_path / "report.csv").open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [
            ["symbol", "time", "kind", "action", "detail"],
            ["AAA", "2024-01-01 01:00", "volume-zero", "dropped", "dropped for another reason"],
            ["", "", "symbol-missing", "dropped", "3 rows"],
        ]


def test_kinds_are_counted_in_rows() -> None:
    findings = [found("volume-zero", symbol="A"), found("symbol-missing", n_rows=3), found("volume-zero", symbol="B")]
    assert kind_counts(findings) == {"symbol-missing": 3, "volume-zero": 2}


@pytest.mark.parametrize(
    ("time_s", "text"),
    [(MONDAY_S, "2024-01-01"), (MONDAY_S + 60, "2024-01-01 00:01"), (MONDAY_S + 1, "2024-01-01 00:00:01")],
)
def test_a_time_is_as_short_as_it_can_be(time_s: int, text: str) -> None:
    assert time_text(time_s) == text


def test_a_number_is_as_short_as_it_can_be() -> None:
    assert [number_text(value) for value in (35.0, 35.085, 194847626259.61)] == ["35", "35.085", "1.948476263e+11"]
