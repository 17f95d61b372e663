"""Benchmarks: figures, medians over several runs. They are measured, never asserted.

1. ``figures.py``  a measured figure, and the machine it was measured on
2. ``server.py``   a real server on a data folder of its own
3. ``scan.py``     from POST to the last row on the wire, every result saved
4. ``engine.py``   the engine alone, on arrays in memory, beside other backtesters
5. ``imports.py``  a price file into an empty database
"""
