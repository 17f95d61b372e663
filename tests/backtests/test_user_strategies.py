"""A user's file is offered and gives results, and a broken one beside it is in nobody's way: a server, from outside."""

from __future__ import annotations

import json
import re
from pathlib import Path

from backtests.models import Run
from strategies.models import Strategy
from tests.backtests.processes import Outside
from tests.builders import make_market, store_universe
from tests.strategies.own import write_strategy
from tests.waiting import wait_for


def test_a_users_file_is_offered_and_a_run_with_it_gives_results(outside: Outside, tmp_path: Path) -> None:
    store_universe("Test", make_market(n_symbols=5, n_bars=120, shape="waves"))
    folder = tmp_path / "mine"
    folder.mkdir()
    write_strategy(folder, "pull_back", label="Pull-back of mine")
    (folder / "broken.py").write_text("def broken(:\n")
    fails = write_strategy(folder, "fails", label="Fails at each run")
    fails.write_text(
        fails.read_text().replace("        average = ", "        raise KeyError('no idea')\n        average = ")
    )

    server = outside.serve(TRAWL_STRATEGIES_DIR=str(folder))
    with server.client() as client:
        page = client.get("/").text
        form = client.get("/runs/form/", params={"strategy": "pull-back", "universe": "test"}).text
    assert re.search(r'<option value="pull-back"[^>]*>Pull-back of mine</option>', page)
    assert 'value="rsi"' in page
    assert "broken" not in page
    assert 'name="param-period"' in form

    own = {"universe": "test", "interval": "1d", "cash": "1000", "fee_pct": "0", "slippage_pct": "0"}
    for key in ("pull-back", "rsi", "fails"):
        server.start_run(strategy=key, **own)
    wait_for("the runs are complete", lambda: Run.objects.filter(state="complete").count() == 3)
    by_key = {run.strategy.key: run for run in Run.objects.select_related("strategy")}
    assert by_key["pull-back"].results.filter(reason="", trades__gt=0).count() == 5
    assert by_key["pull-back"].parameters == {"period": 10}
    assert by_key["rsi"].results.filter(reason="").count() == 5
    reasons = set(by_key["fails"].results.values_list("reason", flat=True))
    assert reasons == {"the strategy raised KeyError: 'no idea'"}
    printed = server.output.read_text()
    assert "broken.py, line 1: SyntaxError: invalid syntax" in printed


def test_a_file_is_run_from_the_command_line_before_a_server_knows_it(outside: Outside, tmp_path: Path) -> None:
    store_universe("Test", make_market(n_symbols=3, n_bars=120, shape="waves"))
    write_strategy(tmp_path, "fresh")
    own = {"TRAWL_STRATEGIES_DIR": str(tmp_path)}
    done = outside.run("run_scan", "--strategy", "fresh", "--universe", "test", "--json", **own)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["successful"] == 3
    row = Strategy.objects.get(key="fresh")
    assert (row.is_builtin, row.source) == (False, "fresh.py")
