"""The admin of markets, prices, runs and tokens.

1. ``markets.py``   symbols and universes: names and membership can be edited, what identifies them cannot
2. ``prices.py``    price blocks, looked into and verified
3. ``cache.py``     the page of both caches, of results and of decoded bars, and what may be done with them
4. ``runs.py``      runs, chunks and results: records of what happened, read only
5. ``tokens.py``    the tokens of all users, which may be revoked
6. ``schedules.py`` schedules and what they have found, switched and asked
7. ``records.py``   what the read-only pages share
"""

from django.contrib import admin

from backtests.admin import markets, prices, runs, schedules, tokens

admin.site.site_header = "Trawl"
admin.site.site_title = "Trawl"
admin.site.index_title = "Administration"
# Beside it, the lists of runs and results would lose their last columns on a laptop.
admin.site.enable_nav_sidebar = False

__all__ = ["markets", "prices", "runs", "schedules", "tokens"]
