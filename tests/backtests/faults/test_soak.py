"""Many runs, disturbed at random: SOAK_RUNS says how many, ``make soak`` takes five hundred."""

from __future__ import annotations

import os

import pytest

from backtests.runs.engines.threads import ThreadsEngine
from tests.backtests.faults.soak import Soak
from tests.backtests.processes import Outside
from tests.builders import make_bars, make_market, store_universe

N_RUNS = int(os.environ.get("SOAK_RUNS", "30"))
N_KILLS = max(2, N_RUNS // 40)


def test_whatever_happens_to_them_all_runs_end_as_if_nothing_had(
    outside: Outside, idle_engine: ThreadsEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    # This process only asks for runs and controls them; the server has to find out for itself.
    market = make_market(n_symbols=23, n_bars=60)
    soaked = store_universe("Soaked", {**market, "SHORT": make_bars([100.0, 101.0, 102.0])})
    soak = Soak(outside, soaked, n_runs=N_RUNS, n_kills=N_KILLS)
    soak.go()
    with capsys.disabled():
        print(f"\n{dict(soak.done)}", end=" ")  # noqa: T201 - what a soak has gone through is its result
    assert all(soak.done[name] for name in ("started", "reused", "pause", "resume", "cancel", "retry", "cut short"))
    assert soak.done["SIGKILL"] + soak.done["SIGTERM"] == N_KILLS
