"""Ask of every request whether it is let in, after Django has found its session and before its view.

1. Views marked with Django's ``login_not_required`` are open: login, and whether the server is well.
2. Programs (everything under /api/) are answered in JSON, with 401 or 403: ``_refuse_program``.
3. People are sent to the login page; streams and htmx are told 401, because they would take the page for an answer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.middleware.csrf import CsrfViewMiddleware
from django.shortcuts import resolve_url

from backtests.accounts.access import is_local
from backtests.accounts.tokens import owner_of_token

API_PREFIX = "/api/"
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")

NOT_LET_IN = "log in, or send a token: Authorization: Bearer <token>"
WRONG_TOKEN = "this token is unknown or revoked"  # noqa: S105 - what is said of one
NO_CSRF = "with a session, this needs the CSRF token in the header X-CSRFToken; a program sends a token instead"
OTHER_WEBSITE = "another website has sent this"


class AccessMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        if not getattr(view, "login_required", True):
            return None
        if request.path.startswith(API_PREFIX):
            return _refuse_program(request)
        if request.user.is_authenticated or is_local(request):
            return None
        return _ask_for_login(request)


def _refuse_program(request: HttpRequest) -> HttpResponse | None:
    """Return why a request to the API is not let in, or None; a token makes its owner the user of the request."""
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        owner = owner_of_token(text.strip())
        if owner is None:
            return _unauthorized(WRONG_TOKEN)
        request.user = owner
        return None
    if request.user.is_authenticated:
        return None if request.method in SAFE_METHODS or _has_csrf_token(request) else _forbidden(NO_CSRF)
    if is_local(request):
        return None if request.method in SAFE_METHODS or _is_of_this_site(request) else _forbidden(OTHER_WEBSITE)
    return _unauthorized(NOT_LET_IN)


def _has_csrf_token(request: HttpRequest) -> bool:
    check = CsrfViewMiddleware(lambda request: HttpResponse())
    check.process_request(request)
    return check.process_view(request, lambda request: HttpResponse(), (), {}) is None


def _is_of_this_site(request: HttpRequest) -> bool:
    """Return whether no other website has made the user's browser send this; browsers say where they send from.

    A body must be JSON, which no other website can send without being allowed to: see ``backtests.api.errors``.
    """
    own = f"{request.scheme}://{request.get_host()}"
    if request.headers.get("Origin", own) != own:
        return False
    return request.headers.get("Sec-Fetch-Site", "same-origin") in {"same-origin", "none"}


def _ask_for_login(request: HttpRequest) -> HttpResponse:
    login = resolve_url(settings.LOGIN_URL)
    if request.headers.get("HX-Request") == "true":
        # htmx would follow a redirect and put the login page where a part of this one belongs.
        return HttpResponse("log in first", status=401, content_type="text/plain", headers={"HX-Redirect": login})
    match = request.resolver_match
    is_stream = "text/event-stream" in request.headers.get("Accept", "") or (
        match is not None and (match.url_name or "").endswith("-stream")
    )
    if is_stream:
        # A page would be read as a stream, again and again.
        return HttpResponse("log in first", status=401, content_type="text/plain")
    return redirect_to_login(request.get_full_path(), login)


def _unauthorized(detail: str) -> HttpResponse:
    return JsonResponse({"detail": detail}, status=401, headers={"WWW-Authenticate": "Bearer"})


def _forbidden(detail: str) -> HttpResponse:
    return JsonResponse({"detail": detail}, status=403)
