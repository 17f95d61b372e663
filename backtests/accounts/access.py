"""Who is let in without a login, and which runs a user sees."""

from __future__ import annotations

import ipaddress
from typing import Any

from django.conf import settings
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.http.request import split_domain_port

from backtests.models import Run

LOCAL_NAMES = {"localhost", "127.0.0.1", "[::1]"}

# Whoever sends one of these has passed the request on for somebody else.
FORWARDING_HEADERS = (
    "Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Server", "X-Real-IP",
)  # fmt: skip


def is_local(request: HttpRequest) -> bool:
    """Return whether a request comes from this machine and was not passed on: its user needs no account.

    All three are asked for: the address, because nobody else has it; the host, because a website of somebody else may
    give its own name this machine's address; and no sign of a proxy, because behind one everybody has its address.
    """
    if not settings.LOCAL_MODE or not _is_loopback(request.META.get("REMOTE_ADDR", "")):
        return False
    if split_domain_port(request.get_host())[0] not in LOCAL_NAMES:
        return False
    # nginx without settings passes requests on with nothing but this old version to show for it.
    is_old = getattr(request, "scope", {}).get("http_version") == "1.0"
    return not is_old and not any(name in request.headers for name in FORWARDING_HEADERS)


def _is_loopback(address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return (mapped or parsed).is_loopback


def owner_of(request: HttpRequest) -> Any:
    """Return the user to whom what is started belongs; None is nobody, in the local mode without a login."""
    return request.user if request.user.is_authenticated else None


def runs_visible_to(user: Any) -> QuerySet[Run]:
    """Return the runs that a user sees and controls: their own and nobody's; all of them for staff.

    ``user`` is somebody who has been let in. One who is not logged in, in the local mode, sees those of nobody.
    """
    runs = Run.objects.select_related("strategy", "universe")
    if sees_all(user):
        return runs
    return runs.filter(Q(owner=None) | Q(owner=user) if user.is_authenticated else Q(owner=None))


def sees(user: Any, run: Run) -> bool:
    """Return whether a run that has been read is one of those."""
    return run.owner_id is None or sees_all(user) or (user.is_authenticated and run.owner_id == user.pk)


def sees_all(user: Any) -> bool:
    """Return whether somebody is of the staff, who see what all have."""
    return bool(user and user.is_authenticated and user.is_active and (user.is_staff or user.is_superuser))
