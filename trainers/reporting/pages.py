"""A self-contained HTML page of sections: text, plain-language lines, figures, tables."""

import base64
import dataclasses
import functools
import pathlib
from collections.abc import Sequence
from typing import Any

import jinja2


@dataclasses.dataclass(frozen=True)
class Table:
    """A table of text cells.

    Attributes:
        header: Sequence of strings, the headings of the columns; the first is of the rows' names.
        rows: Sequence of rows, each as long as the header. A cell `value [low, high]` has its
            interval greyed.
        title: String, the text to click on where the table is folded away; empty where it is not.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""


@dataclasses.dataclass(frozen=True)
class PageSection:
    """A section of a page. All text is plain: the page escapes it.

    Attributes:
        key: String, the anchor.
        title: String, the heading.
        text: String, what the section is about.
        lines: Sequence of strings, what it says in plain language.
        figures: Sequence of pairs, the path of a PNG file, which is embedded, and what it shows.
        tables: Sequence of tables, below the figures.
        notes: Sequence of strings, small print.
    """

    key: str
    title: str
    text: str
    lines: Sequence[str] = ()
    figures: Sequence[tuple[pathlib.Path, str]] = ()
    tables: Sequence[Table] = ()
    notes: Sequence[str] = ()


def page(title: str, about: str, parts: Sequence[PageSection]) -> str:
    """Renders a page.

    Args:
        title: String, the title of the page.
        about: String, what the page is about.
        parts: Sequence of the page's sections.

    Returns:
        The HTML.
    """
    return rendered("page.html.jinja", title=title, about=about, parts=parts)


def rendered(template: str, **values: Any) -> str:
    """Renders one of the templates beside this file.

    Args:
        template: String, the name of its file.
        **values: Values that the template shows; all text is escaped.

    Returns:
        The HTML.
    """
    return _environment().get_template(template).render(**values)


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("trainers.reporting"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters |= {"base64": _base64, "value_and_interval": _value_and_interval}
    return environment


def _base64(path: pathlib.Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def _value_and_interval(cell: str) -> tuple[str, str]:
    """`60 % [57, 63]` -> `60 %` and `[57, 63]`."""
    value, bracket, rest = cell.partition(" [")
    return value, f"[{rest}" if bracket else ""
