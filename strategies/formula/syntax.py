"""From text to a tree: the grammar, and what is told of a text that it does not accept."""

from __future__ import annotations

import string
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken
from lark.lark import PostLex

from strategies.formula.errors import FormulaError, Place, shortened
from strategies.formula.limits import DEEPEST_NESTING, LONGEST_TEXT, MOST_WORDS

Syntax = Tree[Token]

OPENING, CLOSING = {"LPAR": "(", "LSQB": "["}, {"RPAR": ")", "RSQB": "]"}
# A line goes on behind these, and in front of these.
_GOES_ON_AFTER = {
    "_IF", "_THEN", "_ELSE", "_OR", "_AND", "_NOT", "_BETWEEN", "_IN", "COMPARE", "PLUS", "MINUS", "TIMES", "OVER",
    "HAT", "EQUAL", "COLON", "COMMA", "DOT",
}  # fmt: skip
_GOES_ON_BEFORE = {"_THEN", "_ELSE", "_OR", "_AND", "_BETWEEN", "_IN", "COMPARE", "TIMES", "OVER", "HAT", "DOT"}

_WORDS = {
    "NAME": "a name",
    "NUMBER": "a number",
    "STRING": 'a text in quotes such as "SPY"',
    "COMPARE": "a comparison such as >",
    "LPAR": "(",
    "RPAR": ")",
    "LSQB": "[",
    "RSQB": "]",
    "COMMA": ",",
    "EQUAL": "=",
    "COLON": ":",
    "DOT": ".",
    "PLUS": "+",
    "MINUS": "-",
    "TIMES": "*",
    "OVER": "/",
    "HAT": "^",
    "$END": "the end",
    "_LINE_END": "a new line",
}
_LETTERS = string.ascii_letters
_STARTS_A_VALUE = {"NAME", "NUMBER", "STRING", "LPAR", "MINUS", "PLUS", "_NOT", "_IF"}


_AFTER_A_VALUE = {
    "PLUS", "MINUS", "TIMES", "OVER", "HAT", "COMPARE", "_AND", "_OR", "_BETWEEN", "_IN", "_NOT",
    "LPAR", "LSQB", "DOT", "EQUAL", "COLON",
}  # fmt: skip


class _Lines(PostLex):
    """Lets line ends through only where a statement may end, and refuses brackets that go too deep."""

    always_accept = ("_LINE_END",)

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        opened: list[Token] = []
        held: Token | None = None
        before = ""
        for number, token in enumerate(stream):
            if number >= MOST_WORDS:
                told = f"a formula has at most {MOST_WORDS:,} words, numbers and signs; here begins one more"
                raise FormulaError(told, place_of(token))
            if token.type == "_LINE_END":
                if not opened and before and before not in _GOES_ON_AFTER:
                    held = held or token
                continue
            if held is not None and token.type not in _GOES_ON_BEFORE:
                yield held
            held = None
            _balance(opened, token)
            before = token.type
            yield token
        if opened:
            raise FormulaError(f"this {opened[-1]} is never closed", place_of(opened[-1]))


def _balance(opened: list[Token], token: Token) -> None:
    if token.type in OPENING:
        opened.append(token)
        if len(opened) > DEEPEST_NESTING:
            raise FormulaError(f"brackets may be nested {DEEPEST_NESTING} deep; this one is deeper", place_of(token))
    elif token.type in CLOSING:
        if not opened:
            raise FormulaError(f"there is nothing open that this {token} could close", place_of(token))
        last = opened.pop()
        if (last.type, token.type) not in {("LPAR", "RPAR"), ("LSQB", "RSQB")}:
            raise FormulaError(f"this {token} does not close the {last} of column {last.column}", place_of(token))


@cache
def _parser() -> Lark:
    grammar = Path(__file__).with_name("grammar.lark").read_text()
    return Lark(grammar, parser="lalr", lexer="basic", propagate_positions=True, postlex=_Lines())


def parse(text: str) -> Syntax:
    """Return the tree of a formula's statements, or raise FormulaError, which says where and why there is none."""
    if not isinstance(text, str):
        raise FormulaError(f"a formula is a text; this is {type(text).__name__}")
    if len(text) > LONGEST_TEXT:
        raise FormulaError(f"a formula has at most {LONGEST_TEXT:,} characters; this one has {len(text):,}")
    try:
        tree = _parser().parse(text)
    except UnexpectedInput as error:
        raise _told(error, text) from None
    return tree


def place_of(item: Token | Syntax) -> Place:
    """Return where a token or a part of the tree stands; of more than one line, where it begins."""
    if isinstance(item, Token):
        return Place(item.line or 1, item.column or 1, max(1, len(item)))
    meta = item.meta
    if meta.empty:
        return Place(1, 1)
    length = meta.end_pos - meta.start_pos if meta.end_line == meta.line else 1
    return Place(meta.line, meta.column, max(1, length))


def _told(error: UnexpectedInput, text: str) -> FormulaError:
    if isinstance(error, UnexpectedCharacters):
        return _unknown_character(error, text)
    if not isinstance(error, UnexpectedToken):
        return FormulaError("this cannot be read")
    token = error.token
    wanted = set(error.accepts or error.expected)
    if token.type == "$END":
        if not text.strip() or (wanted >= _STARTS_A_VALUE and _is_blank(text)):
            return FormulaError("there is nothing in it; expected a formula such as close > sma(close, 50)")
        return FormulaError(f"it ends too early; expected {_expected(wanted)}", _end_of(text))
    place = place_of(token)
    came = "the line ends here" if token.type == "_LINE_END" else f"`{shortened(token)}` cannot stand here"
    return FormulaError(f"{came}; expected {_expected(wanted)}", place, hint=_slip(token, text))


def _slip(token: Token, text: str) -> str:
    """Return what was meant where it is plain from what stands before."""
    before = text[: token.start_pos].rstrip()
    # From the end: to search for it from the start would take the square of a long name's length.
    word = before[len(before.rstrip(_LETTERS)) :]
    slips = {
        "use == to compare": token.type == "EQUAL",
        f"write {token}=": token.type == "COMPARE" and before.endswith("="),
        "a power is written with ^": token.type == "TIMES" and before.endswith("*"),
        "numbers are written without commas": token.type == "COMMA" and _is_among_digits(token, text),
        "write crossover(close, sma(close, 50))": token.lower() in {"cross", "crosses", "crossed"},
        f"write {word}: with a colon": word.lower() in {"enter", "exit", "short", "cover", "stop", "target"},
    }
    return next((hint for hint, is_meant in slips.items() if is_meant), "")


def _is_among_digits(token: Token, text: str) -> bool:
    at = token.start_pos or 0
    return text[max(0, at - 1) : at].isdigit() and text[at + 1 : at + 2].isdigit()


def _unknown_character(error: UnexpectedCharacters, text: str) -> FormulaError:
    place, character = Place(error.line, error.column), text[error.pos_in_stream or 0]
    hints = {
        "!": "use != or not",
        "&": "use and",
        "|": "use or",
        "=": "use == to compare",
        "%": "per cent are plain numbers: stop: 5, or 1.05 * close",
        "?": "use if ... then ... else",
        "≥": "use >=",
        "≤": "use <=",
        "≠": "use !=",
        "×": "use *",
        "÷": "use /",
        **dict.fromkeys("\u2212\u2013", "use -"),
        **dict.fromkeys("\u201c\u201d\u201e\u2018\u2019", 'use straight quotes, as in "SPY"'),
    }
    if character in "\"'":
        return FormulaError(f"the text that begins with this {character} is never closed", place)
    shown = character if character.isprintable() else f"U+{ord(character):04X}"
    return FormulaError(f"`{shown}` means nothing in a formula", place, hint=hints.get(character, ""))


def _expected(names: Iterable[str]) -> str:
    names = set(names)
    words = ["a value"] if names >= {"NAME", "NUMBER", "LPAR"} else []
    if words:
        names -= _STARTS_A_VALUE
    elif "PLUS" in names:
        words.append("an operator")
        names -= _AFTER_A_VALUE
    words += sorted(_WORDS.get(name) or name.strip("_").lower() for name in names)
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _is_blank(text: str) -> bool:
    return not any(line.split("#")[0].strip(" \t\f\r;\u00a0") for line in text.split("\n"))


def _end_of(text: str) -> Place:
    lines = text.rstrip().split("\n")
    return Place(len(lines), len(lines[-1]) + 1)
