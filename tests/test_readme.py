"""The README's Python runs as it stands."""

import pathlib
import re

README = pathlib.Path(__file__).parents[1] / "README.md"


def test_python_blocks_run(capsys):
    names = {}
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        exec(block, names)
    assert 0 < float(capsys.readouterr().out.splitlines()[-1]) < 1
    assert names["shares"].shape == (256, 2)
    assert 0 <= float(names["penalty"]) <= 1
