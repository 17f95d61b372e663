"""The page of a result explains every figure, and says why one has no value."""

from __future__ import annotations

from html import unescape

import pytest
from django.test import Client

from backtests.admin.runs import shown
from backtests.engine import METRICS, METRICS_BY_KEY
from backtests.engine.table import SHARPE, TERMS, metrics_under
from backtests.models import Result, Run
from tests.builders import execute_run, make_market, make_run, store_universe


@pytest.mark.django_db
@pytest.mark.parametrize("sharpe", SHARPE)
@pytest.mark.parametrize("has_values", [True, False])
def test_every_metric_is_explained_as_the_rules_have_it(admin_client: Client, sharpe: str, has_values: bool) -> None:
    run = execute_run(make_run(store_universe("Test", make_market(1, n_symbols=1))))
    Run.objects.update(rules={**run.rules, "sharpe": sharpe})
    value = 1.5 if has_values else None
    Result.objects.update(**{metric.key: value for metric in METRICS if metric.undefined})
    answer = admin_client.get(f"/admin/backtests/result/{run.results.get().pk}/change/")
    text = unescape(answer.content.decode())
    for metric in metrics_under(sharpe):
        reason = f"no value: {metric.undefined}. " if metric.undefined and not has_values else ""
        assert f"<td>{reason}{metric.formula}</td>" in text, metric.key
    assert all(f"{word}: {meaning}" in text for word, meaning in TERMS.items())


def test_bars_are_shown_whole_unless_they_are_a_mean() -> None:
    longest, average = METRICS_BY_KEY["longest_trade_bars"], METRICS_BY_KEY["average_trade_bars"]
    assert (shown(longest, 1200.0), shown(average, 3.25), shown(average, None)) == ("1,200", "3.2", "–")
