from strategies.errors import ParameterError
from strategies.indicators import ema
from strategies.lines import Line, LineCross
from strategies.params import Int


class EmaCross(LineCross):
    """Hold while the fast exponential average is above the slow one: enter on the cross up, exit on the cross down.

    Source: J. J. Murphy, Technical Analysis of the Financial Markets, 1999, chapter 9, the double crossover method,
    with the exponential averages of P. N. Haurlan, Measuring Trend Values, 1968.
    """

    key = "ema-cross"
    label = "Exponential-average cross"

    fast = Int(12, low=2, high=200, help="Period of the fast exponential average")
    slow = Int(26, low=3, high=400, help="Period of the slow exponential average")

    def check(self) -> None:
        if self.fast >= self.slow:
            raise ParameterError("fast", f"must be smaller than slow; {self.fast} is not below {self.slow}")

    @property
    def warmup(self) -> int:
        return self.slow

    def lines(self) -> tuple[Line, Line]:
        return Line(ema, "close", (self.fast,)), Line(ema, "close", (self.slow,))
