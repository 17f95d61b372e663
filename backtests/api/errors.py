"""Every refusal under /api/ is JSON with one key, ``detail``, even where no view has been reached."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase

from backtests.accounts.middleware import API_PREFIX, SAFE_METHODS

NOT_JSON = "the body must be JSON, and say so: Content-Type: application/json"


class JsonErrorsMiddleware:
    """Turns error pages into JSON, and refuses bodies of other kinds than JSON.

    A website of somebody else can make a browser send forms and plain text to this server, but JSON only with this
    server's consent.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not request.path.startswith(API_PREFIX):
            return self.get_response(request)
        if request.method not in SAFE_METHODS and _has_foreign_body(request):
            return JsonResponse({"detail": NOT_JSON}, status=415)
        response = self.get_response(request)
        if response.status_code < 400 or response.headers.get("Content-Type", "").startswith("application/json"):
            return response
        detail = HTTPStatus(response.status_code).phrase.lower()
        kept = {name: response.headers[name] for name in ("Allow", "Retry-After") if name in response.headers}
        return JsonResponse({"detail": detail}, status=response.status_code, headers=kept)


def _has_foreign_body(request: HttpRequest) -> bool:
    if request.content_type == "application/json":
        return False
    length = request.META.get("CONTENT_LENGTH", "")
    return bool(request.content_type) or length not in {"", "0"}
