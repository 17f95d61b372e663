from django.urls import path, register_converter
from django.urls.converters import StringConverter

from backtests import views


class RunIdConverter(StringConverter):
    """What may be the id of a run: whatever else stands in its place is not asked of the database."""

    regex = "[0-9A-Za-z]{1,12}"


register_converter(RunIdConverter, "run_id")

urlpatterns = [
    path("", views.new_run, name="new-run"),
    path("runs/", views.runs, name="runs"),
    path("runs/form/", views.run_form, name="run-form"),
    path("runs/preview/", views.run_preview, name="run-preview"),
    path("runs/start/", views.run_start, name="run-start"),
    path("runs/<run_id:run_id>/", views.run, name="run"),
    path("runs/<run_id:run_id>/stream", views.run_stream, name="run-stream"),
    path("healthz", views.health, name="health"),
]
