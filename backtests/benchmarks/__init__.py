"""Benchmarks: figures, medians over several runs. They are measured, never asserted.

1. ``figures.py``  a measured figure, and the machine it was measured on
2. ``server.py``   a real server on a data folder of its own
3. ``scan.py``     from POST to the last row on the wire, every result saved
4. ``streams.py``  many viewers of one run, who are in ``viewers.py``, a process of their own
5. ``screens.py``  from a formula to its matches and their charts
6. ``engine.py``   the engine alone, on arrays in memory, beside other backtesters
7. ``imports.py``  a price file into an empty database
"""
