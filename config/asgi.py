"""The ASGI application: every request, streams included, is Django's."""

import os
from typing import cast

from channels.routing import ProtocolTypeRouter
from django.core.asgi import get_asgi_application
from django.utils.deprecation import MiddlewareMixin

from backtests.page_threads import PageThreads
from backtests.runs.engines.courtesy import Application, RequestsFirst

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

# Django's own middleware works in threads either way. Declared synchronous, all of it runs in one thread, one after the
# other; declared asynchronous, each changes threads twice.
MiddlewareMixin.async_capable = False

django = cast(Application, get_asgi_application())

# Streams have a door of their own, which needs Django's settings.
from backtests.streams.door import StreamDoor  # noqa: E402

application = ProtocolTypeRouter({"http": StreamDoor(RequestsFirst(PageThreads(django)))})
