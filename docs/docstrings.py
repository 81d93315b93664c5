"""An extension of griffe, see mkdocs.yml: examples in docstrings are code, and no Markdown."""

import re
from typing import Any

import griffe


class Examples(griffe.Extension):
    """Calls the section `Example:` as griffe's parser knows it, `Examples:`."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Renames the section of an object's docstring."""
        if obj.docstring:
            obj.docstring.value = re.sub(
                r"^Example:$", "Examples:", obj.docstring.value, flags=re.MULTILINE
            )
