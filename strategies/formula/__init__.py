"""The formula language: a screen, a strategy or a chart's overlay, written as one reads it.

A formula becomes a program (:func:`compile_formula`), and that is computed on the bars of many symbols at once
(:func:`evaluate`). Nothing of a formula is ever executed as code: it is read by a grammar, its names are looked up in
tables, and its steps are operations on arrays. A step sees its bar and earlier ones alone.
"""

from strategies.formula.compile import compile_formula
from strategies.formula.errors import FormulaError, Place
from strategies.formula.evaluate import Evaluated, evaluate
from strategies.formula.flat import Facts, Flat
from strategies.formula.program import Part, Program

__all__ = ["Evaluated", "Facts", "Flat", "FormulaError", "Part", "Place", "Program", "compile_formula", "evaluate"]
