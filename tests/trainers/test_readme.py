"""The README's Python runs as it stands."""

import os
import pathlib
import re
import subprocess
import sys

README = pathlib.Path(__file__).parents[2] / "README.md"


def python_blocks(plug_ins=False):
    """The blocks of Python that run as they stand, or those that are a module of plug-ins."""
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    return [block for block in blocks if block.startswith("# my_plugins.py") is plug_ins]


def test_python_blocks_run(capsys):
    names = {}
    blocks = python_blocks()
    assert len(blocks) == 2
    for block in blocks:
        exec(block, names)
    assert 0 < float(capsys.readouterr().out.splitlines()[-1]) < 1
    assert names["shares"].shape == (256, 2)
    assert 0 <= float(names["penalty"]) <= 1


def test_the_plug_in_trains(records, tmp_path):
    """As a module that the command finds where it is called."""
    (block,) = python_blocks(plug_ins=True)
    (tmp_path / "my_plugins.py").write_text(block)
    done = subprocess.run(
        [sys.executable, "-m", "trainers.fit", "--plugins=my_plugins", "--method=smoothed",
         "--method_options=amount=0.2", f"--data_dir={records}", "--epochs=1", "--noexport",
         f"--model_dir={tmp_path}/run"],
        env={**os.environ, "PYTHONPATH": str(README.parent)},
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "model   smoothed" in done.stdout
