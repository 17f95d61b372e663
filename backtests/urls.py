from django.urls import path

from backtests import views

urlpatterns = [
    path("", views.new_run, name="new-run"),
    path("runs/", views.runs, name="runs"),
    path("runs/form/", views.run_form, name="run-form"),
    path("runs/preview/", views.run_preview, name="run-preview"),
    path("runs/start/", views.run_start, name="run-start"),
    path("runs/<str:run_id>/", views.run, name="run"),
    path("runs/<str:run_id>/stream", views.run_stream, name="run-stream"),
    path("healthz", views.health, name="health"),
]
