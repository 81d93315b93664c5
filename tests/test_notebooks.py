"""The notebooks of examples/ run.

Their cells run here, in one process, with the commands as forks of one that has imported
TensorFlow and without graphs: a kernel, and a process for each command, would take minutes. One
notebook runs in a kernel, as a user runs them all.
"""

import contextlib
import json
import os
import pathlib
import re
import shlex

import pytest

from tests.trainers import forks

EXAMPLES = forks.ROOT / "examples"
NOTEBOOKS = {path.stem: json.loads(path.read_text()) for path in sorted(EXAMPLES.glob("*.ipynb"))}
IN_A_KERNEL = "own_model"
PRINTS = {
    "clips_to_served_model": ("shares: {'audio': ", "error: none"),
    "evaluation_report": ("Missing modality", "clear / missing (mean encoding) / accuracy kept"),
    "own_model": ("AMR weight 1: accuracy ", "penalty of the mean"),
    "three_modalities": ("accuracy 0.", "weather.npy"),
}


def sources(name):
    """The code of the cells behind the one that installs the package."""
    cells = [c for c in NOTEBOOKS[name]["cells"] if c["cell_type"] == "code"]
    assert "%pip install" in "".join(cells[0]["source"])
    return ["".join(cell["source"]) for cell in cells[1:]]


def commanded(source):
    """The source, with a call of `shell` in the place of each line that begins with `!`."""
    joined = source.replace("\\\n", " ")
    return re.sub(r"^!(.*)$", lambda line: f"shell({line[1]!r})", joined, flags=re.MULTILINE)


def shell(line):
    """What `!line` does, for the commands of the project."""
    python, m, module, *arguments = shlex.split(line)
    assert (python, m) == ("python", "-m")
    done = forks.run(module, arguments, pathlib.Path.cwd(), eager=True)
    assert done.returncode == 0, done.stdout + done.stderr
    print(done.stdout)


@contextlib.contextmanager
def figures():
    """The figures that are shown meanwhile, each as its number of axes."""
    from matplotlib import pyplot as plt

    shown, before = [], plt.show
    plt.switch_backend("Agg")

    def show():
        shown.extend(len(plt.figure(number).axes) for number in plt.get_fignums())
        plt.close("all")

    plt.show = show
    try:
        yield shown
    finally:
        plt.show = before


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("name", sorted(NOTEBOOKS.keys() - {IN_A_KERNEL}))
def test_the_cells_run(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {"shell": shell, "__name__": name}
    with figures() as shown:
        for source in sources(name):
            exec(compile(commanded(source), f"{name}.ipynb", "exec"), names)
    assert shown
    printed = capsys.readouterr().out
    for text in PRINTS[name]:
        assert text in printed


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_is_short_and_holds_no_outputs(name):
    cells = NOTEBOOKS[name]["cells"]
    assert len(cells) <= 16
    assert cells[0]["cell_type"] == "markdown"
    for cell in cells:
        assert not cell.get("outputs")
        assert not cell.get("execution_count")
    assert f"({name}.ipynb)" in (EXAMPLES / "README.md").read_text()


def test_a_notebook_runs_in_a_kernel(tmp_path, monkeypatch):
    reason = "nbclient and ipykernel are not installed: pip install '.[test]'"
    nbclient = pytest.importorskip("nbclient", reason=reason)
    pytest.importorskip("ipykernel", reason=reason)
    nbformat = pytest.importorskip("nbformat", reason=reason)
    path = os.pathsep.join(filter(None, (str(forks.ROOT), os.environ.get("PYTHONPATH"))))
    monkeypatch.setenv("PYTHONPATH", path)
    book = nbformat.read(EXAMPLES / f"{IN_A_KERNEL}.ipynb", as_version=4)
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(book, timeout=300, kernel_name="python3", resources=resources).execute()
    outputs = [output for cell in book.cells for output in cell.get("outputs", ())]
    assert any("image/png" in output.get("data", ()) for output in outputs)
    printed = "".join(output.get("text", "") for output in outputs)
    for text in PRINTS[IN_A_KERNEL]:
        assert text in printed
