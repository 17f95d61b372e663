"""Server-sent events and the HTML in them, read as strictly as a browser would."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"br", "circle", "hr", "img", "input", "line", "link", "meta", "path", "polyline"}


@dataclass
class Element:
    """An element with its attributes, and the text and elements in it."""

    tag: str
    attributes: dict[str, str]
    content: list[Element | str] = field(default_factory=list)

    @property
    def children(self) -> list[Element]:
        return [part for part in self.content if isinstance(part, Element)]

    @property
    def text(self) -> str:
        """All text in it, with single spaces."""
        return " ".join(self._joined().split())

    def all(self, tag: str) -> list[Element]:
        """Return every element of this kind below, in order."""
        found = []
        for child in self.children:
            found += [child] if tag in {child.tag, "*"} else []
            found += child.all(tag)
        return found

    def by_id(self, name: str) -> Element:
        (element,) = [element for element in self.all("*") if element.attributes.get("id") == name]
        return element

    def _joined(self) -> str:
        return "".join(part if isinstance(part, str) else part._joined() for part in self.content)


class _Tree(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open = [Element("", {})]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].content.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open[-1].content.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].tag == tag, f"</{tag}> ends <{self.open[-1].tag}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].content.append(data)


def tree(html: str) -> Element:
    """Return the elements of a fragment; every one that is opened must be closed, in the right order."""
    parser = _Tree()
    parser.feed(html)
    parser.close()
    assert len(parser.open) == 1, f"<{parser.open[-1].tag}> is not closed"
    return parser.open[0]


@dataclass
class Frame:
    """One server-sent event."""

    event: str
    id: int | None
    data: str

    @property
    def partials(self) -> dict[str, Element]:
        """The parts of the page that it changes, by their target."""
        top = tree(self.data).children
        assert {element.tag for element in top} <= {"hx-partial"}
        targets = [element.attributes["hx-target"] for element in top]
        assert len(set(targets)) == len(targets)
        return dict(zip(targets, top, strict=True))

    @property
    def rows(self) -> list[Element]:
        partial = self.partials.get("#results tbody")
        return [] if partial is None else partial.all("tr")

    @property
    def sequences(self) -> list[int]:
        return [int(row.attributes["data-sequence"]) for row in self.rows]


def parse(sent: bytes) -> list[Frame]:
    """Return the events of a stream without its comments; anything else than whole, well-formed events fails."""
    assert sent == b"" or sent.endswith(b"\n\n"), "the stream ends within an event"
    assert b"\r" not in sent
    frames = []
    for block in sent.decode().split("\n\n")[:-1]:
        lines = [line for line in block.split("\n") if not line.startswith(":")]
        if not lines:
            continue
        assert all(": " in line for line in lines), f"not a field: {block!r}"
        fields = dict(line.split(": ", 1) for line in lines)
        assert len(fields) == len(lines), f"a field is there twice: {block!r}"
        assert set(fields) <= {"event", "id", "data"}
        number = int(fields["id"]) if "id" in fields else None
        frames.append(Frame(fields.get("event", ""), number, fields["data"]))
    return frames
