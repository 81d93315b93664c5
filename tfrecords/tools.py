"""Ends a command in one line where packages that only the commands need are not installed.

A command imports this module before everything else.
"""

import importlib.util
import sys

# What requirements.txt lists under `# tools`, as it is imported.
PACKAGES = (
    "absl",
    "av",
    "filelock",
    "jinja2",
    "matplotlib",
    "PIL",
    "psutil",
    "rich",
    "tensorboard",
)

missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
if missing:
    sys.exit(
        f"error: the commands need {', '.join(missing)}: run `pip install '.[tools]'` where the "
        "project lies"
    )
