from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from backtests.benchmarks.figures import Figure
from backtests.management.commands import benchmark


def printed(*arguments: str) -> str:
    out = StringIO()
    call_command("benchmark", *arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of runs that the group ``engine`` was asked for; it measures nothing here."""
    asked: list[int] = []

    def measure(n_runs: int, say: object) -> list[Figure]:
        asked.append(n_runs)
        return [
            Figure("a market", [3.0, 1.0, 20.0], goal=15.0),
            Figure("a peer", [1234.5], ratio=411.5, least_ratio=30),
            Figure("most memory", [250.0], unit="MiB"),
        ]

    monkeypatch.setattr(benchmark, "measure_engine", measure)
    return asked


def test_the_machine_and_the_medians_of_a_group_are_printed(
    measured: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")

    lines = printed("engine", "--runs", "3").splitlines()

    assert measured == [3]
    assert "processors, Python 3" in lines[0]
    cells = [line.split() for line in lines]
    assert ["engine"] in cells
    assert ["Figure", "Median", "Least", "Most", "Ratio", "Goal", "Runs"] in cells
    assert ["a", "market", "3.0", "ms", "1.0", "20.0", "15", "ms", "3"] in cells
    assert ["a", "peer", "1,234.5", "ms", "1,234.5", "1,234.5", "412", "x", "30", "x", "1"] in cells
    assert ["most", "memory", "250.0", "MiB", "250.0", "250.0", "1"] in cells


def test_a_group_without_peers_has_no_column_for_ratios(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "measure_imports", lambda *_, **__: [Figure("an import", [5.0])])

    assert "Ratio" not in printed("imports")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["kernels"], "'kernels' is no group; valid are: engine, scan, streams, screens, imports"),
        (["engine", "--runs", "0"], "--runs must be at least 1; it is 0"),
        (["imports", "--file", "/no/such/file.csv"], "--file: there is no file /no/such/file.csv"),
    ],
)
def test_what_cannot_be_measured_is_refused(arguments: list[str], message: str, measured: list[int]) -> None:
    with pytest.raises(CommandError) as error:
        printed(*arguments)

    assert str(error.value) == message
    assert error.value.returncode == 2
    assert measured == []


def test_the_file_is_given_to_imports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Path | None] = []

    def measure(n_runs: int, say: object, *, path: Path | None) -> list[Figure]:
        given.append(path)
        return []

    monkeypatch.setattr(benchmark, "measure_imports", measure)
    path = tmp_path / "prices.csv"
    path.touch()
    printed("imports", "--file", str(path))

    assert given == [path]
