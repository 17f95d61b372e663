from django.urls import path

from backtests.schedules import views

urlpatterns = [
    path("", views.schedules, name="schedules"),
    path("screens/<run_id:run_id>/", views.add_screen, name="schedule-screen"),
    path("runs/<run_id:run_id>/", views.add_run, name="schedule-run"),
    path("seen/<run_id:run_id>/", views.outcome_seen, name="outcome-seen"),
    path("<int:schedule_id>/", views.change, name="schedule-change"),
    path("<int:schedule_id>/ask/", views.ask, name="schedule-ask"),
    path("<int:schedule_id>/switch/", views.switch, name="schedule-switch"),
    path("<int:schedule_id>/delete/", views.delete, name="schedule-delete"),
]
