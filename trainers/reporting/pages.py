"""A self-contained HTML page of sections: text, plain-language lines, figures, tables."""

import base64
import dataclasses
import pathlib
import string
from collections.abc import Sequence
from html import escape

_PAGE = string.Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; color: #1c2733; background: #fff;
  max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: .3rem; }
h2 { font-size: 1.25rem; margin-top: 2.8rem; border-bottom: 1px solid #d5dce3; }
nav a { margin-right: 1rem; white-space: nowrap; }
.text, .about, .notes { color: #4a5866; }
.lines { background: #f1f5f9; border-left: 4px solid #3b6ea8; padding: .6rem 1rem .6rem 2rem; }
.notes { font-size: .85rem; }
img { max-width: 100%; height: auto; }
.table { overflow-x: auto; margin: .6rem 0; }
table { border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums; }
th, td { padding: .15rem .7rem; text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; white-space: normal; }
thead th { border-bottom: 2px solid #9aa7b4; vertical-align: bottom; white-space: normal; }
tbody tr:nth-child(even) { background: #f6f8fa; }
td span { color: #6b7885; }
summary { cursor: pointer; color: #3b6ea8; }
</style>
</head>
<body>
<h1>$title</h1>
<p class="about">$about</p>
<nav>$links</nav>
$sections
</body>
</html>
""")


@dataclasses.dataclass(frozen=True)
class Table:
    """A table of text cells.

    Attributes:
        header: Of the columns; the first is of the rows' names.
        rows: Each as long as the header. A cell `value [low, high]` has its interval greyed.
        title: Where it is folded away: what to click on.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""


@dataclasses.dataclass(frozen=True)
class Part:
    """A section of a page. All text is plain: it is escaped here.

    Attributes:
        key: Anchor.
        title: Heading.
        text: What it is about.
        lines: What it says, in plain language.
        figures: PNG files, embedded, with what they show.
        tables: Below them.
        notes: Small print.
    """

    key: str
    title: str
    text: str
    lines: Sequence[str] = ()
    figures: Sequence[tuple[pathlib.Path, str]] = ()
    tables: Sequence[Table] = ()
    notes: Sequence[str] = ()


def page(title: str, about: str, parts: Sequence[Part]) -> str:
    """The page's HTML."""
    return _PAGE.substitute(
        title=escape(title),
        about=escape(about),
        links=" ".join(f'<a href="#{escape(p.key)}">{escape(p.title)}</a>' for p in parts),
        sections="\n".join(map(_section, parts)),
    )


def _section(part: Part) -> str:
    html = [f'<section id="{escape(part.key)}">', f"<h2>{escape(part.title)}</h2>"]
    html.append(f'<p class="text">{escape(part.text)}</p>')
    html.append(_list("lines", part.lines))
    html += [_figure(path, shows) for path, shows in part.figures]
    html += map(_table, part.tables)
    html.append(_list("notes", part.notes))
    return "\n".join(filter(None, [*html, "</section>"]))


def _list(kind: str, items: Sequence[str]) -> str:
    found = "\n".join(f"<li>{escape(item)}</li>" for item in items)
    return f'<ul class="{kind}">\n{found}\n</ul>' if items else ""


def _figure(path: pathlib.Path, shows: str) -> str:
    data = base64.b64encode(path.read_bytes()).decode()
    return f'<p><img src="data:image/png;base64,{data}" alt="{escape(shows)}"></p>'


def _table(table: Table) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in table.header)
    body = "\n".join(
        "<tr>" + "".join(f"<td>{_cell(cell)}</td>" for cell in row) + "</tr>" for row in table.rows
    )
    html = (
        f'<div class="table"><table>\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody>\n</table></div>"
    )
    if not table.title:
        return html
    return f"<details>\n<summary>{escape(table.title)}</summary>\n{html}\n</details>"


def _cell(text: str) -> str:
    value, bracket, rest = text.partition(" [")
    return escape(value) + (f" <span>[{escape(rest)}</span>" if bracket else "")
