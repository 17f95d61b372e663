"""What is on a page, and what a request did to the database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.backtests.streams.frames import Element, tree


def page_of(response: Any) -> Element:
    """Return the elements of a page; it must be well-formed."""
    return tree(response.content.decode())


def field(page: Element, name: str) -> Element:
    """Return the one control of this name."""
    (control,) = [element for element in page.all("*") if element.attributes.get("name") == name]
    return control


def value_of(page: Element, name: str) -> str:
    """Return what a control stands on."""
    control = field(page, name)
    if control.tag == "select":
        options = control.all("option")
        chosen = [option for option in options if "selected" in option.attributes] or options[:1]
        return chosen[0].attributes["value"]
    return control.attributes.get("value", "")


def errors(page: Element) -> dict[str, str]:
    """Return the messages at the fields, by the fields' names."""
    found = [element for element in page.all("p") if element.attributes.get("id", "").endswith("_error")]
    return {error.attributes["id"].removeprefix("id_").removesuffix("_error"): error.text for error in found}


@contextmanager
def only_reading() -> Iterator[None]:
    """Fail if anything but a SELECT reaches the database."""
    with CaptureQueriesContext(connection) as queries:
        yield
    assert [query["sql"] for query in queries if not query["sql"].lstrip().upper().startswith("SELECT")] == []
