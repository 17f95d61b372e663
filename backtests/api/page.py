"""The page at /api/docs: Swagger UI, started by a script of ours, because the policy blocks scripts in the page."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from ninja import NinjaAPI
from ninja.openapi.docs import DocsBase


class ApiPage(DocsBase):
    def render_page(self, request: HttpRequest, api: NinjaAPI, **path_parameters: Any) -> HttpResponse:
        return render(request, "api/docs.html", {"openapi_url": self.get_openapi_url(api, path_parameters)})
