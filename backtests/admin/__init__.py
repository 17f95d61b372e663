"""The admin of markets, prices and runs.

1. ``markets.py``   symbols and universes: names and membership can be edited, what identifies them cannot
2. ``prices.py``    price blocks, looked into and verified, and the cache of decoded bars
3. ``runs.py``      runs, chunks and results: records of what happened, read only
4. ``records.py``   what the read-only pages share
"""

from django.contrib import admin

from backtests.admin import markets, prices, runs

admin.site.site_header = "Trawl"
admin.site.site_title = "Trawl"
admin.site.index_title = "Administration"
# Beside it, the lists of runs and results would lose their last columns on a laptop.
admin.site.enable_nav_sidebar = False

__all__ = ["markets", "prices", "runs"]
