"""Runs: one scan from request to saved results.

1. ``request.py``    what a user may ask for, checked once for the page and the command
2. ``start.py``      save the run and its chunks in one transaction; the rows are the queue
3. ``plan.py``       cut the universe into chunks that ramp up
4. ``engines/``      who executes chunks: ``threads`` in this process
5. ``chunks.py``     claim a chunk by lease, finish it, take up what a dead worker left
6. ``execute.py``    bars -> signals -> trades -> metrics, for the symbols of one chunk
7. ``save.py``       results with sequence numbers, chunk and counters in one transaction, then a poke
8. ``statistics.py`` the market-wide figures of the results so far
"""
