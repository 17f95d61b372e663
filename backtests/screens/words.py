"""What the editors of formulas know: every name, how it is written and what it means."""

from __future__ import annotations

from strategies.formula.functions import ALIASES, FIELDS, FUNCTIONS, TEXTS

# Those that are neither fields nor functions.
_JOINS = {
    "and": "Both conditions",
    "or": "One of two conditions, or both",
    "not": "The opposite of a condition",
    "between": "From one value to another: rsi(close, 14) between 40 and 60",
    "if": "One of two values: if condition then value else value",
    "param": "A knob with default, lowest and highest value: fast = param(20, 5, 60)",
    "enter:": "A strategy: when to buy",
    "exit:": "A strategy: when to sell",
    "short:": "A strategy: when to sell short",
    "cover:": "A strategy: when to buy back",
    "stop:": "A strategy: leave after a loss of so many percent, or at a price such as lowest(low, 20)",
    "target:": "A strategy: leave after a gain of so many percent, or at a price such as close + 3 * atr(14)",
}


def _words() -> list[dict[str, str]]:
    named = {**FIELDS, **TEXTS, **_JOINS}
    words = [{"word": name, "shown": name, "help": told} for name, told in named.items()]
    words += [{"word": each.key, "shown": each.signature, "help": each.help} for each in FUNCTIONS.values()]
    words += [
        {"word": name, "shown": FUNCTIONS[key].signature.replace(key, name, 1), "help": FUNCTIONS[key].help}
        for name, key in ALIASES.items()
    ]
    known = {each["word"]: each for each in words}
    return [known[word] for word in sorted(known)]


WORDS = _words()
