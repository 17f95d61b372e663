from django.contrib import admin
from django.urls import include, path

from backtests.api.api import api

urlpatterns = [
    path("", include("backtests.urls")),
    path("screens/", include("backtests.screens.urls")),
    path("schedules/", include("backtests.schedules.urls")),
    path("accounts/", include("backtests.accounts.urls")),
    path("api/", api.urls),
    path("admin/", admin.site.urls),
]
