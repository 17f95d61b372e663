"""A file to start a strategy from, written for a name that somebody chose."""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass
from pathlib import Path
from string import Template

from strategies.conformance.declaration import LONGEST_KEY
from strategies.errors import StrategyError

TEMPLATE = Path(__file__).with_name("starter.txt")
NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[ _-]+[A-Za-z0-9]+)*")
VALID = "letters and digits in words, beginning with a letter, such as pull-back"


class NameRefused(StrategyError):
    """A name that no strategy can have."""


@dataclass(frozen=True, slots=True)
class Starter:
    """The names of a new strategy, and its file's."""

    key: str
    label: str
    class_name: str
    file_name: str

    @property
    def source(self) -> str:
        """What the file says."""
        names = {"key": self.key, "label": self.label, "class_name": self.class_name}
        return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(names)


def starter_for(name: str) -> Starter:
    """Return the starter for a name such as ``pull-back``, ``Pull back`` or ``PullBack``, or raise NameRefused."""
    if not NAME.fullmatch(name):
        raise NameRefused(f"a name has {VALID}; it is {name!r}")
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).replace("_", " ").replace("-", " ").lower().split()
    key = "-".join(words)
    if len(key) > LONGEST_KEY:
        raise NameRefused(f"a name has at most {LONGEST_KEY} characters; it has {len(key)}")
    class_name = "".join(word.capitalize() for word in words)
    template = TEMPLATE.read_text(encoding="utf-8")
    if keyword.iskeyword(class_name) or class_name in re.findall(r"\b[A-Z]\w*", template.split("class ")[0]):
        raise NameRefused(f"{class_name} is a name that the file needs for something else; choose another one")
    return Starter(key, " ".join(words).capitalize(), class_name, f"{'_'.join(words)}.py")
