"""Screens and runs that are asked again after every import that brings new bars.

1. ``models.py``   a schedule, and what it has found each time
2. ``making.py``   a schedule of a screen or of a run, and who sees which
3. ``due.py``      which are due since an import, and whose turn it is to ask: leases, as for the chunks of runs
4. ``asking.py``   asks: new matches are those that did not match the time before
5. ``notices.py``  tells of new matches by e-mail and webhook; the page's bell reads the same rows
6. ``looking.py``  what a server's keeper and ``manage.py run_schedules`` do: 3, 4 and 5 for all that are due
"""
