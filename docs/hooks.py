"""Pages of the site that are files of other folders: README.md and benchmarks/README.md.

A hook of MkDocs, see mkdocs.yml.
"""

import pathlib
import re

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = pathlib.Path(__file__).parents[1]
PAGES = {"index.md": "README.md", "benchmarks.md": "benchmarks/README.md"}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages, each with its links as they are from docs/."""
    for page, source in PAGES.items():
        files.append(File.generated(config, page, content=linked(ROOT / source)))
    return files


def linked(source: pathlib.Path) -> str:
    """A page's text: links into docs/ begin there, and of links to other files the text stays."""

    def link(found: re.Match) -> str:
        text, target = found.groups()
        if re.match(r"https?://|#", target):
            return found[0]
        path, _, anchor = target.partition("#")
        path = (source.parent / path).resolve()
        if not path.is_relative_to(ROOT / "docs"):
            return text
        return f"[{text}]({path.relative_to(ROOT / 'docs')}{'#' + anchor if anchor else ''})"

    return re.sub(r"\[([^\]]*)\]\(([^)\s]+)\)", link, source.read_text())
