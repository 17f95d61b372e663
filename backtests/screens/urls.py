from django.urls import path

from backtests.screens import symbol_views, views

urlpatterns = [
    path("", views.screens, name="screens"),
    path("check/", views.check, name="screen-check"),
    path("intervals/", views.intervals, name="screen-intervals"),
    path("words/", views.words, name="screen-words"),
    path("chart/<slug:slug>/<path:ticker>/", symbol_views.chart, name="symbol-chart"),
    path("language/", views.language, name="screen-language"),
    path("ask/", views.ask, name="screen-ask"),
    path("save/", views.save, name="screen-save"),
    path("saved/<int:screen_id>/delete/", views.remove, name="screen-delete"),
    path("saved/<int:screen_id>/duplicate/", views.copy, name="screen-duplicate"),
    path("<run_id:run_id>/", views.screen_run, name="screen-run"),
    path("<run_id:run_id>/backtest/", views.start_backtest, name="screen-backtest"),
    path("<run_id:run_id>/backtest/check/", views.check_exit, name="screen-exit-check"),
    path("<run_id:run_id>/charts", views.charts, name="screen-charts"),
    path("<run_id:run_id>/matches.csv", views.matches_csv, name="screen-csv"),
    path("<run_id:run_id>/last/", symbol_views.last_matches, name="screen-last"),
    path("<run_id:run_id>/symbols/<path:ticker>/", symbol_views.symbol, name="screen-symbol"),
]
