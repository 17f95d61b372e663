from django.urls import path, register_converter
from django.urls.converters import StringConverter

from backtests import views
from backtests.screens import symbol_views


class RunIdConverter(StringConverter):
    """What may be the id of a run: whatever else stands in its place is not asked of the database."""

    regex = "[0-9A-Za-z]{1,12}"


class ControlConverter(StringConverter):
    """What can be done to a run."""

    regex = "|".join(views.CONTROLS)


register_converter(RunIdConverter, "run_id")
register_converter(ControlConverter, "control")

urlpatterns = [
    path("", views.new_run, name="new-run"),
    path("runs/", views.runs, name="runs"),
    path("runs/form/", views.run_form, name="run-form"),
    path("runs/preview/", views.run_preview, name="run-preview"),
    path("runs/start/", views.run_start, name="run-start"),
    path("runs/bell/", views.bell, name="bell"),
    path("runs/<run_id:run_id>/", views.run, name="run"),
    path("runs/<run_id:run_id>/news/", views.run_news, name="run-news"),
    path("runs/<run_id:run_id>/again/", views.run_again, name="run-again"),
    path("runs/<run_id:run_id>/symbols/<path:ticker>/", symbol_views.run_symbol, name="run-symbol"),
    path("runs/<run_id:run_id>/seen/", views.run_seen, name="run-seen"),
    path("runs/<run_id:run_id>/<control:action>/", views.run_control, name="run-control"),
    path("runs/<run_id:run_id>/stream", views.run_stream, name="run-stream"),
    path("healthz", views.health, name="health"),
]
