"""An extension of griffe, see mkdocs.yml, which reads docstrings for the pages of the API."""

import re
from typing import Any

import griffe


class Examples(griffe.Extension):
    """Calls the section `Example:` as griffe's parser knows it, `Examples:`, so that it is code.

    What only checks fields is left out.
    """

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Changes an object's docstring."""
        if obj.name == "__post_init__":
            obj.docstring = None
        if obj.docstring:
            obj.docstring.value = re.sub(
                r"^Example:$", "Examples:", obj.docstring.value, flags=re.MULTILINE
            )
