"""The rules of the house: imports run downwards and never in a circle, and no file names a plug-in.

Read from the source by `ast`; what happens at import time alone is looked at in a fresh process.
"""

import ast
import functools
import graphlib
import json
import pathlib
import subprocess
import sys

import pytest

from amr_tf.methods import METHODS
from tests.trainers import forks
from tfrecords.datasets import DATASETS

ROOT = forks.ROOT
PACKAGES = ("amr_tf", "tfrecords", "trainers", "studies")
COMMANDS = {
    *(
        f"trainers.{n}"
        for n in ("fit", "evaluate", "compare", "export", "predict", "explain", "demo")
    ),
    "tfrecords.build",
    "tfrecords.inspect",
    "tfrecords.serve",
}
# What only the commands need: `pip install .` does not bring them.
TOOLS = {"av", "rich", "matplotlib", "PIL", "jinja2", "filelock", "psutil", "gradio"}
# Processes that decode media import these, and TensorFlow would take seconds and half a gigabyte.
WITHOUT_TENSORFLOW = (
    "tfrecords.building.container", "tfrecords.building.decoded", "tfrecords.building.decoding",
    "tfrecords.building.media", "tfrecords.datasets", "tfrecords.description", "tfrecords.flac",
    "tfrecords.building.still_images", "tfrecords.npz", "tfrecords.stored",
)  # fmt: skip
# Where a method's name has to stand: (file, name) -> why.
METHOD_NAMES = {
    ("trainers/config/run_config.py", "naive"): "the default of --method",
    ("trainers/config/methods.py", "unimodal"): "flags name it by its modality",
    ("trainers/comparison/tables.py", "naive"): "the baseline that tables compare with",
    ("amr_tf/heads/common.py", "dropout"): "no method there, but the name of a layer",
}


@functools.cache
def sources():
    """Module -> its parsed source."""
    found = {}
    for path in sorted(p for package in PACKAGES for p in (ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return {name: (path, ast.parse(path.read_text())) for name, path in found.items()}


def imports(tree):
    """The dotted names that a file imports, wherever in it: (module, name in it or None)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute"
            yield from ((node.module, alias.name) for alias in node.names)


def imported(name):
    """The modules and packages, ours and others', that a module of ours imports."""
    known = sources()
    return {
        f"{module}.{part}" if part and f"{module}.{part}" in known else module
        for module, part in imports(known[name][1])
    }


def importing(prefix):
    return [n for n in sources() if n == prefix or n.startswith(f"{prefix}.")]


def within(name, *packages):
    return any(name == p or name.startswith(f"{p}.") for p in packages)


def test_there_is_no_circle():
    graph = {name: imported(name) & sources().keys() for name in sources()}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        pytest.fail(f"imports in a circle: {' <- '.join(error.args[1])}")


def test_the_library_imports_no_command_and_no_tool():
    for name in importing("amr_tf"):
        wrong = {n for n in imported(name) if within(n, "trainers", "tfrecords", "studies", *TOOLS)}
        assert not wrong, f"{name} imports {wrong}"


def test_data_preparation_imports_of_the_library_the_modalities_alone():
    for name in importing("tfrecords"):
        found = imported(name)
        wrong = {n for n in found if within(n, "amr_tf") and not within(n, "amr_tf.modalities")}
        wrong |= {n for n in found if within(n, "trainers", "studies")}
        assert not wrong, f"{name} imports {wrong}"


def test_the_commands_import_no_study():
    for name in importing("trainers"):
        wrong = {n for n in imported(name) if within(n, "studies", "benchmarks")}
        assert not wrong, f"{name} imports {wrong}"


def test_nothing_imports_a_command():
    for name in sources():
        wrong = imported(name) & COMMANDS
        assert not wrong, f"{name} imports {wrong}: a command is no library"


def test_the_commands_of_training_are_short():
    for name in sorted(c for c in COMMANDS if c.startswith("trainers.")):
        length = len(sources()[name][0].read_text().splitlines())
        assert length < 100, f"{name} has {length} lines"


def literals(tree):
    """Strings in the code, docstrings left out, with their lines."""
    documented = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and node.body
        if isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        text = node.value if isinstance(node, ast.Constant) else None
        if isinstance(text, str) and id(node) not in documented:
            yield text, node.lineno


def named(names, without):
    """(file, line, name) of string literals that are one of the names."""
    for module, (path, tree) in sources().items():
        if within(module, "amr_tf", "tfrecords", "trainers") and not within(module, without):
            for text, line in literals(tree):
                if text in names:
                    yield path.relative_to(ROOT).as_posix(), line, text


def test_no_file_names_a_data_set():
    wrong = list(named(set(DATASETS), without="tfrecords.datasets"))
    assert not wrong, f"files outside of tfrecords/datasets/ name data sets: {wrong}"


def test_no_file_names_a_method():
    found = list(named(set(METHODS), without="amr_tf.methods"))
    wrong = [one for one in found if (one[0], one[2]) not in METHOD_NAMES]
    assert not wrong, f"files outside of amr_tf/methods/ name methods: {wrong}"
    needless = METHOD_NAMES.keys() - {(path, name) for path, _, name in found}
    assert not needless, f"no longer named: {needless}"


def test_what_worker_processes_import_is_without_tensorflow():
    code = (
        "import importlib, json, sys\nwrong = {}\n"
        f"for name in {WITHOUT_TENSORFLOW!r}:\n"
        "    importlib.import_module(name)\n"
        "    if {'tensorflow', 'keras'} & sys.modules.keys():\n"
        "        wrong[name] = 'tensorflow'\n"
        "        break\n"
        "print(json.dumps(wrong))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=forks.environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {}


def test_every_file_of_a_data_set_is_without_tensorflow():
    files = sorted(
        name for name in importing("tfrecords.datasets")
        if pathlib.Path(sources()[name][0]).name != "__init__.py"
    )  # fmt: skip
    for name in files:
        tree = sources()[name][1]
        wrong = [
            module
            for node in tree.body
            for module, _ in imports(ast.Module([node], []))
            if within(module, "tensorflow", "keras") and not isinstance(node, ast.FunctionDef)
        ]
        assert not wrong, f"{name} imports {wrong} as it is imported"
