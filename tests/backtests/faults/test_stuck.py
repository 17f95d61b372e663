"""A strategy that never comes to an end on one symbol: it is seen and replaced, and that symbol fails alone."""

from __future__ import annotations

import threading

from django.db import connection

from backtests.models import RunChunk, Universe
from backtests.runs.chunks import MOST_ATTEMPTS, claim, cut_into_symbols
from tests.backtests.faults.wholeness import FORM, N_SYMBOLS, assert_whole, attempts, finished
from tests.backtests.processes import Outside
from tests.builders import make_market, make_run, store_universe

STUCK_BARS = 61


def test_a_symbol_without_end_fails_alone(outside: Outside) -> None:
    market = make_market(n_symbols=N_SYMBOLS, n_bars=60)
    market["S5"] = make_market(seed=2, n_symbols=1, n_bars=STUCK_BARS)["S0"]
    store_universe("Stuck", {f"K{ticker}": bars for ticker, bars in market.items()})
    # One worker: while it is stuck nobody else is there.
    server = outside.serve(TRAWL_STUCK_S="1", TRAWL_LEASE_S="1", GATE_STUCK_BARS=str(STUCK_BARS))
    run_id = server.start_run(**FORM | {"universe": "stuck"})
    run = finished(run_id)
    assert_whole(run, failed=("KS5",))
    failure = run.results.exclude(reason="").get()
    assert failure.reason == "given up after 3 attempts that broke off or got stuck"
    # Twice with its chunk, and once alone.
    assert sorted(attempts(run))[-1] == 4
    assert server.output.read_text().count("has been at work for") >= 3
    # Whoever comes next finds a worker.
    assert_whole(finished(server.start_run(**FORM)))


def test_two_chunks_of_a_run_are_cut_at_the_same_moment(universe: Universe) -> None:
    # Both were at work when their process was killed for the second time.
    for _ in range(5):
        run = make_run(universe, strategy="gated")
        run.chunks.update(attempts=MOST_ATTEMPTS - 1)
        chunks = [claim(run.pk) for _ in range(6)]
        together = threading.Barrier(len(chunks))

        def cut(chunk: RunChunk, together: threading.Barrier = together) -> None:
            together.wait()
            cut_into_symbols(chunk)
            connection.close()

        cutting = [threading.Thread(target=cut, args=(chunk,)) for chunk in chunks]
        for thread in cutting:
            thread.start()
        for thread in cutting:
            thread.join()
        assert sorted(
            symbol_id for ids in run.chunks.values_list("symbol_ids", flat=True) for symbol_id in ids
        ) == sorted(universe.symbols.values_list("pk", flat=True))
        assert set(run.chunks.values_list("n_symbols", "state")) == {(1, "waiting")}
