"""Commands where only the library is installed."""

import pathlib
import re
import subprocess
import sys

import pytest

from tfrecords import tools

ROOT = pathlib.Path(__file__).parents[1]
# A package that is not installed: nothing finds it.
WITHOUT = """
import importlib.machinery, runpy, sys
class Hidden(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name in {names} else super().find_spec(name, path, target)
sys.meta_path = [f for f in sys.meta_path if f is not importlib.machinery.PathFinder] + [Hidden]
sys.argv = [{module!r}, "--help"]
runpy.run_module({module!r}, run_name="__main__")
"""


@pytest.mark.parametrize("module", ["trainers.fit", "tfrecords.build", "tfrecords.inspect"])
def test_a_command_without_its_packages_says_so_in_one_line(module):
    code = WITHOUT.format(names=("av", "rich"), module=module)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (
        "error: the commands need av, rich: run `pip install '.[tools]'` where the project lies\n"
    )


def test_the_packages_are_those_of_the_requirements():
    lines = (ROOT / "requirements.txt").read_text().split("# tools\n")[1].splitlines()
    listed = {re.match(r"[\w-]+", line)[0] for line in lines} - {"tensorflow-io"}  # FLAC, 3.11 only
    imported = {"absl": "absl-py", "PIL": "pillow"}
    assert {imported.get(name, name) for name in tools.PACKAGES} == listed
