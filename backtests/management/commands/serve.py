"""Serve Trawl with Daphne."""

from __future__ import annotations

import argparse
import gc
import socket
import sys
import threading
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from backtests.prepare import prepare, warm_bars
from backtests.prices.bars_file import BARS_FILE

# With Python's own 5 ms a request waits that long for every worker thread that is busy; measured on two processors,
# 1 ms brings the first row 15 ms earlier and the last one no later.
SWITCH_INTERVAL_S = 0.001

# A server that is told to stop waits so long for the chunks at work; what takes longer is left to the next server.
STOP_PATIENCE_S = 0.5

BACKLOG = 1024  # Daphne's own 50 turns clients away when 100 connect at once.


class Command(BaseCommand):
    help = "Prepare everything, then serve with Daphne until Ctrl-C."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
        parser.add_argument("--port", type=int, default=8000, help="port to listen on (default 8000)")

    def handle(self, *args: Any, **options: Any) -> None:
        host, port = options["host"], options["port"]
        _refuse_taken(host, port)
        prepare(self.stdout.write)
        from backtests.runs.engines.threads import ENGINE
        from backtests.schedules.looking import look_after_schedules
        from backtests.streams.flow import FlowServer
        from config.asgi import application

        sys.setswitchinterval(SWITCH_INTERVAL_S)
        # Rows by the thousand are made and dropped, none in a cycle: looking for some costs a twentieth of a scan.
        gc.freeze()
        gc.set_threshold(50_000, 20, 20)
        if settings.BARS_FILE_BYTES:
            BARS_FILE.open(settings.DATA_DIR, settings.BARS_FILE_BYTES)
        ENGINE.also_looks.append(look_after_schedules)
        ENGINE.take_up_unfinished()
        # This thread goes on to serve, and asks nothing more.
        connection.close()
        threading.Thread(target=warm_bars, name="warm-bars", daemon=True).start()
        interface = host.replace(":", r"\:")
        server: Any = FlowServer(
            application=application,
            endpoints=[f"tcp:port={port}:interface={interface}:backlog={BACKLOG}"],
            server_name="",
            verbosity=0,
            ready_callable=lambda: self._say_address(host, server.listening_addresses),
        )
        server.run()
        ENGINE.stop(patience_s=STOP_PATIENCE_S)

    def _say_address(self, host: str, addresses: list[tuple[str, int]]) -> None:
        if not addresses:
            raise CommandError(f"cannot listen on {host}")
        port = addresses[0][1]
        shown = "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104 - shown, not bound
        self.stdout.write(self.style.SUCCESS(f"Trawl is at http://{shown}:{port}/  (Ctrl-C stops it)"))
        self.stdout.flush()


def _refuse_taken(host: str, port: int) -> None:
    if not 0 <= port <= 65535:
        raise CommandError(f"--port must be from 0 to 65535; it is {port}")
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CommandError(
                f"cannot listen on {host}:{port}: {error.strerror}; choose another with --port"
            ) from None
