"""Keep every rule of a run, and the preset that they were chosen from, in place of three columns.

A run of before keeps its cash and costs; in every other rule it was made as the defaults of then say, which stand here.
The way back keeps cash and costs alone: the columns of then hold no other rule.
"""

from django.db import migrations, models

import backtests.models

COLUMNS = ("cash", "fee_pct", "slippage_pct")
RULES_BEFORE = {
    "cash": 10000.0,
    "fee_pct": 0.1,
    "fixed_fee": 0.0,
    "slippage_pct": 0.05,
    "slippage_on": "both",
    "borrow_pct": 1.0,
    "fill": "next_open",
    "direction": "long",
    "collision": "exit",
    "reentry_delay": 0,
    "skip_bars": 0,
    "sizing": "equity",
    "size_pct": 100.0,
    "size_cash": 1000.0,
    "size_units": 1.0,
    "volatility_pct": 20.0,
    "volatility_bars": 20,
    "whole_units": False,
    "size_price": "fill",
    "size_costs": "included",
    "cash_check": "fill",
    "stop_loss_pct": None,
    "take_profit_pct": None,
    "trailing_stop_pct": None,
    "trailing_atr": None,
    "atr_bars": 14,
    "time_stop_bars": None,
    "target_of": "price",
    "stop_base": "fill",
    "stops_from": "entry_bar",
    "trail_from": "extreme",
    "bar_path": "stop_first",
    "gap_fill": "open",
    "stop_bar_signals": "count",
    "stop_slippage": True,
    "at_end": "mark",
    "sharpe": "bar",
    "risk_free_pct": 0.0,
    "days_a_year": None,
}
AT_ONCE = 500


def columns_to_rules(apps, schema_editor):
    runs = apps.get_model("backtests", "Run").objects.using(schema_editor.connection.alias)
    changed = []
    for run in runs.only("pk", *COLUMNS).iterator(AT_ONCE):
        run.rules = {**RULES_BEFORE, **{name: getattr(run, name) for name in COLUMNS}}
        changed.append(run)
    runs.bulk_update(changed, ["rules"], batch_size=AT_ONCE)


def rules_to_columns(apps, schema_editor):
    runs = apps.get_model("backtests", "Run").objects.using(schema_editor.connection.alias)
    changed = []
    for run in runs.only("pk", "rules").iterator(AT_ONCE):
        for name in COLUMNS:
            setattr(run, name, run.rules.get(name, RULES_BEFORE[name]))
        changed.append(run)
    runs.bulk_update(changed, COLUMNS, batch_size=AT_ONCE)


class Migration(migrations.Migration):

    dependencies = [
        ("backtests", "0002_metrics"),
    ]

    operations = [
        migrations.AddField(
            model_name="run",
            name="preset",
            field=models.CharField(
                blank=True, default="", help_text="The preset that the rules were chosen from.", max_length=40
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="run",
            name="rules",
            field=models.JSONField(
                default=backtests.models.default_rules, help_text="Every rule of the engine, by key."
            ),
        ),
        migrations.RunPython(columns_to_rules, rules_to_columns),
        migrations.RemoveConstraint(model_name="run", name="run_cash_positive"),
        migrations.RemoveConstraint(model_name="run", name="run_costs_not_negative"),
        migrations.RemoveField(model_name="run", name="cash"),
        migrations.RemoveField(model_name="run", name="fee_pct"),
        migrations.RemoveField(model_name="run", name="slippage_pct"),
    ]
