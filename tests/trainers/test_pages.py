"""The Python of README and of the pages in docs/ runs as it stands, and their tables are true."""

import csv
import importlib
import os
import pathlib
import re
import runpy
import sys

import numpy as np
import pytest
from scipy import stats

from amr_tf import _registry
from amr_tf.encoders import ENCODERS
from amr_tf.heads import HEADS
from amr_tf.methods import METHODS
from amr_tf.modalities import MODALITIES
from tests.trainers.conftest import command
from tfrecords.datasets import DATASETS

ROOT = pathlib.Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
REGISTRIES = (METHODS, ENCODERS, HEADS, MODALITIES)


def blocks(page):
    """The blocks of Python: (the name of the module that it is, or None; its text)."""
    found = re.findall(r"^```python\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
    names = (re.match(r"# (\w+)\.py\n", block) for block in found)
    return [(name and name[1], block) for name, block in zip(names, found, strict=True)]


@pytest.fixture
def modules(tmp_path, monkeypatch):
    """A user's directory, whose modules can be imported; what they register is forgotten."""
    kept = [(r, dict(r._plugins), dict(r._places)) for r in REGISTRIES]
    trusted, sets, known = set(_registry._trusted), dict(DATASETS), set(sys.modules)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for registry, plugins, places in kept:
        registry._plugins, registry._places = plugins, places
    for registered, before in ((_registry._trusted, trusted), (DATASETS, sets)):
        registered.clear()
        registered.update(before)
    for name in set(sys.modules) - known:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p)], ids=lambda p: p.name)
def test_python_blocks_run(page, modules, capsys):
    names = {}
    for module, block in blocks(page):
        if module:
            (modules / f"{module}.py").write_text(block)
            importlib.invalidate_caches()
            importlib.import_module(module)
        else:
            exec(block, names)
    if page.name == "README.md":
        assert 0 < float(capsys.readouterr().out.splitlines()[-1]) < 1
    if "penalty" in names:
        assert names["shares"].shape == (256, 2)
        assert 0 <= float(names["penalty"]) <= 1


def test_what_pages_register_trains(records, tmp_path, monkeypatch):
    """As modules that the command finds where it is called."""
    modules = {name: block for name, block in blocks(ROOT / "docs" / "extending.md") if name}
    assert len(modules) == 5
    for name, block in modules.items():
        assert len([line for line in block.splitlines() if line.strip()]) <= 20
        (tmp_path / f"{name}.py").write_text(block)
    done = command(
        "fit", "--plugins=my_method,my_encoder,my_head", "--method=smoothed",
        "--method_options=amount=0.2", "--audio_encoder=averages(units=16)",
        "--video_encoder=averages", "--fusion=product", f"--data_dir={records}", "--epochs=1",
        "--noexport", f"--model_dir={tmp_path}/run", cwd=tmp_path, eager=True,
    )  # fmt: skip
    assert "model   smoothed" in done.stdout
    assert os.path.exists(tmp_path / "run" / "results.json")


def test_the_table_of_methods_has_all_of_them():
    rows = re.findall(r"^\| `(\w+)`", (ROOT / "docs" / "methods.md").read_text(), re.MULTILINE)
    ours = {n for n, m in METHODS.items() if m.__module__.startswith("amr_tf.")}
    assert sorted(rows) == sorted(ours - {"unimodal"} | {"audio"})


SETS = {"whole picture": "frame", "mouth": "words", "digits": "digits"}
METHOD_NAMES = {"naive fusion": "naive", "modality dropout": "modality_dropout"}


def tables():
    """The rows of results on real clips: (page, set, method, cells without AMR, 1 and auto)."""
    for page in (ROOT / "README.md", ROOT / "docs" / "results.md"):
        of = None
        for row in re.findall(r"^\|(.+)\|$", page.read_text(), re.MULTILINE):
            name, *cells = (cell.strip() for cell in row.split("|"))
            if name.startswith("**"):
                of = next((s for told, s in SETS.items() if told in name), None)
            elif of and len(cells) == 3 and "±" in cells[0]:
                yield page.name, of, METHOD_NAMES.get(name, name.lower()), cells


def test_the_tables_of_real_clips_are_those_of_the_runs():
    with (ROOT / "docs" / "frontier" / "runs.csv").open() as file:
        runs = list(csv.DictReader(file))
    plain = {"ratio": "1:1", "measure": "gradient", "scope": "head", "inputs": "components"}
    rows = list(tables())
    assert len(rows) == 6 + 9
    for page, of, method, cells in rows:
        for weight, cell in zip(("0", "1", "auto"), cells, strict=True):
            wanted = plain | {"set": of, "method": method, "weight": weight}
            found = [run for run in runs if wanted.items() <= run.items()]
            assert len(found) >= 5
            accuracy, share = (
                100 * np.array([float(run[name]) for run in found])
                for name in ("accuracy", "share_audio")
            )
            half = stats.sem(accuracy) * stats.t.ppf(0.975, len(found) - 1)
            share = share.mean()
            told = [float(number) for number in re.findall(r"[\d.]+", cell)]
            # the runs are told to five digits, the page to three or two
            assert told[:2] == pytest.approx([accuracy.mean(), half], abs=0.051), (page, of, method)
            assert told[2:] == pytest.approx([share, 100 - share], abs=0.51), (page, of, method)


def test_the_figure_of_readme_shows_what_its_table_says():
    drawing = runpy.run_path(str(ROOT / "docs" / "figures" / "shares.py"))
    shares, _, accuracies = drawing["draw"](drawing["read"]()).axes
    for panel, place in ((shares, 2), (accuracies, 0)):
        told = [[float(end) for end in text.get_text().split(" → ")] for text in panel.texts]
        for of, ends in zip(("words", "frame", "digits"), told, strict=True):
            (cells,) = (c for p, s, m, c in tables() if (p, s, m) == ("README.md", of, "naive"))
            for end, cell in zip(ends, (cells[0], cells[2]), strict=True):
                number = float(re.findall(r"[\d.]+", cell)[place])
                assert end == pytest.approx(number, abs=0.51 if place else 0.051)


def test_the_figures_of_a_step_and_of_methods_are_drawn():
    figures = ROOT / "docs" / "figures"
    (panel,) = runpy.run_path(str(figures / "step.py"))["draw"]().axes
    assert {"task loss", "encoder"} <= {text.get_text() for text in panel.texts}
    panel, _ = runpy.run_path(str(figures / "reached.py"))["draw"]().axes
    assert len(panel.get_yticks()) == 11
    assert {len(line.get_xdata()) for line in panel.lines} == {2, 11}  # the even share, methods
