#!/usr/bin/env python
"""Run a management command."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.db.utils import OperationalError, ProgrammingError

INTERRUPTED = 130


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    # Whoever set a variable wrongly, has not prepared the database or pressed Ctrl-C needs a line, not a traceback.
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"trawl: {error}")
    except (OperationalError, ProgrammingError) as error:
        problem = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        sys.exit(f"trawl: the database cannot be used: {problem}. `make setup` prepares it; DATABASE_URL chooses it.")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
