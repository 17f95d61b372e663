"""HEAD under /api/: what GET would answer, without its body. The routes declare GET alone."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from backtests.accounts.middleware import API_PREFIX


class HeadMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.method != "HEAD" or not request.path.startswith(API_PREFIX):
            return self.get_response(request)
        request.method = "GET"
        response = self.get_response(request)
        request.method = "HEAD"
        headers = dict(response.items())
        # A stream would follow its run to the end, for nobody.
        if not response.streaming:
            headers.setdefault("Content-Length", str(len(getattr(response, "content", b""))))
        return HttpResponse(status=response.status_code, headers=headers)
