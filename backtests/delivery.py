"""Messages on their way: an e-mail, and a call of a webhook, each tried a few times; then the log says that it is lost.

Whoever sends one marks what it tells as told before, so that of several processes one does. Every user may name a
webhook: one in a private network is only called if the settings name its host.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import logging
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from django.conf import settings
from django.core.mail import send_mail
from django.db import connection

logger = logging.getLogger(__name__)

ATTEMPTS = 3
PAUSE_S = 5.0
TIMEOUT_S = 10.0

# Of the characters of an address, all but those that HTTP cannot carry.
AS_THEY_ARE = "!#$%&'()*+,/:;=?@[]~"

_pause = threading.Event()


@dataclass(frozen=True, slots=True)
class Message:
    """What is told of something, named as the log does, and to whom: as a mail, and as JSON to a webhook."""

    about: str
    email: str
    url: str
    subject: str
    body: str
    content: dict[str, Any]


def start_delivery(message: Message) -> threading.Thread:
    """Deliver a message in a thread of its own, and return that."""
    name = message.about.replace(" ", "-")
    teller = threading.Thread(target=_deliver, args=(message,), name=f"tell-{name}", daemon=True)
    teller.start()
    return teller


def _deliver(message: Message) -> None:
    try:
        if message.email:
            _attempt(message, "an e-mail", _mail)
        if message.url:
            _attempt(message, "a call of its webhook", _call)
    finally:
        connection.close()


def _attempt(message: Message, what: str, deliver: Callable[[Message], None]) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            deliver(message)
        except (OSError, http.client.HTTPException, ValueError) as error:
            logger.warning("%s: %s failed, attempt %s of %s: %s", message.about, what, attempt, ATTEMPTS, error)
            if attempt < ATTEMPTS:
                _pause.wait(PAUSE_S)
        else:
            return


def _mail(message: Message) -> None:
    send_mail(message.subject, message.body, settings.DEFAULT_FROM_EMAIL, [message.email])


def _call(message: Message) -> None:
    """POST the message as JSON to its webhook, without following it anywhere else."""
    address = urlsplit(message.url)
    host, port = address.hostname or "", address.port or (443 if address.scheme == "https" else 80)
    kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
    caller = kind(host, port, timeout=TIMEOUT_S)
    checked = (public_address(host, port), port)
    # The address that was checked is the one that is called: a name may mean another one a moment later.
    caller.__dict__["_create_connection"] = lambda _, *more: socket.create_connection(checked, *more)
    target = quote(f"{address.path or '/'}{'?' + address.query if address.query else ''}", safe=AS_THEY_ARE)
    try:
        headers = {"Content-Type": "application/json", "User-Agent": "Trawl"}
        caller.request("POST", target, json.dumps(message.content), headers)
        status = caller.getresponse().status
        if not 200 <= status < 300:
            raise http.client.HTTPException(f"it answered {status}")
    finally:
        caller.close()


def public_address(host: str, port: int) -> str:
    """Return an address of a host, or raise OSError if it lies in a network that is not everybody's."""
    found = [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    if host.lower() not in settings.WEBHOOK_HOSTS:
        for each in found:
            if not ipaddress.ip_address(each.partition("%")[0]).is_global:
                raise OSError(f"{host} is in a private network; TRAWL_WEBHOOK_HOSTS names those that may be called")
    return found[0]
