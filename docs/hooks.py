"""What MkDocs cannot do by itself, as hooks; see mkdocs.yml.

Pages of the site that are files of other folders, README.md and benchmarks/README.md; links as
GitHub follows them; and short pieces of code that stay on one line.
"""

import pathlib
import re
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = pathlib.Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = {"index.md": ROOT / "README.md", "benchmarks.md": ROOT / "benchmarks" / "README.md"}
MOST_LETTERS = 26  # of code that does not break


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages of other folders."""
    for page, source in PAGES.items():
        files.append(File.generated(config, page, content=source.read_text()))
    return files


def on_page_markdown(markdown: str, page: Page, **kwargs: Any) -> str:
    """Links between files of the repository become links between pages.

    Of a link to a file that is no page the text stays.
    """
    name = page.file.src_uri
    folder = PAGES.get(name, DOCS / name).parent

    def link(found: re.Match) -> str:
        text, target = found.groups()
        path, mark, anchor = target.partition("#")
        if not path or path.startswith(("http:", "https:")):
            return found[0]
        file = (folder / path).resolve()
        made = [page for page, source in PAGES.items() if source == file]
        if not made and not file.is_relative_to(DOCS):
            return text
        return f"[{text}]({made[0] if made else file.relative_to(DOCS)}{mark}{anchor})"

    return re.sub(r"\[([^\]]*)\]\(([^)\s]+)\)", link, markdown)


def on_page_content(html: str, **kwargs: Any) -> str:
    """Marks short code, which browsers would break behind the hyphens of a flag.

    It also shows what a table's cell writes as an escaped bar as a bar, as GitHub does.
    """

    def mark(found: re.Match) -> str:
        text = found[1].replace("\\|", "|")
        kind = ' class="short"' if len(text) <= MOST_LETTERS else ""
        return f"<code{kind}>{text}</code>"

    return re.sub("(?<!</span>)(?<!<pre>)<code>([^<]*)</code>", mark, html)
