"""The JSON API: every route of programs, thin over the functions that pages call.

1. ``api.py``       the API object: title, security, and how each error is answered
2. ``errors.py``    that every refusal under /api/ is ``{"detail": ...}``, wherever it comes from
3. ``head.py``      HEAD, wherever there is GET
4. ``bodies.py``    the body of a scan: its fields, their defaults, and the request that they make
5. ``scans.py``     start, stream, status, cancel, pause, resume, retry
6. ``records.py``   strategies, universes, runs and results
7. ``tables.py``    results as CSV and Parquet
8. ``answers.py``   the shapes of answers, for the OpenAPI page
9. ``page.py``      that page
"""
