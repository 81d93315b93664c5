"""`import amr_tf` changes nothing in its process: quiet terminals are the commands' affair."""

import json
import subprocess
import sys

import pytest

from tests.trainers import forks

# Looks at the process before and after the import. What the library needs is there already, so that
# what those packages do does not count: Keras imports Pillow where there is one, scikit-learn rich.
_CHILD = """
import json, logging, os, random, signal, sys, warnings
import tensorflow, keras
from absl import flags, logging as absl_logging
import numpy, scipy, sklearn.metrics, scipy.special, scipy.stats, scipy.ndimage
import sklearn.linear_model, sklearn.pipeline, sklearn.preprocessing

def state():
    loggers = {name: (logging.getLogger(name).level, len(logging.getLogger(name).handlers))
               for name in (None, "absl", "tensorflow", "keras", "matplotlib", "amr_tf")}
    files = {str(n): tuple(os.fstat(n))[:3] for n in (0, 1, 2)}  # mode, inode, device
    return {
        "environment": dict(os.environ),
        "files": files,
        "streams": [id(s) for s in (sys.stdin, sys.stdout, sys.stderr)],
        "loggers": {str(name): level for name, level in loggers.items()},
        "absl": absl_logging.get_verbosity(),
        "tensorflow": tensorflow.get_logger().level,
        "filters": [str(f) for f in warnings.filters],
        "showwarning": id(warnings.showwarning),
        "hooks": [id(h) for h in (sys.excepthook, sys.displayhook)],
        "signals": [str(signal.getsignal(s)) for s in (signal.SIGINT, signal.SIGTERM)],
        "path": list(sys.path),
        "directory": os.getcwd(),
        "flags": sorted(flags.FLAGS),
        "policy": str(keras.mixed_precision.global_policy().name),
        "eager": tensorflow.config.functions_run_eagerly(),
        "strategy": tensorflow.distribute.has_strategy(),
        "random": [str(numpy.random.get_state()[1][:4]), str(random.getstate()[1][:4])],
        "precision": str(numpy.get_printoptions()["precision"]),
    }

def modules():
    return {name.split(".")[0] for name in sys.modules}

known, before = modules(), state()
import amr_tf
after = state()
from tensorflow.python.eager import context
begun = context.context()._context_handle is not None
print(json.dumps([before, after, sorted(modules() - known), begun]))
"""


@pytest.fixture(scope="module")
def child():
    """What a fresh process says of itself before and after the import."""
    done = subprocess.run(
        [sys.executable, "-c", _CHILD],
        env=forks.environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_nothing_of_the_process_has_changed(child):
    before, after, _, _ = child
    for name, value in before.items():
        assert after[name] == value, name


def test_the_commands_and_their_packages_are_not_imported(child):
    _, _, imported, begun = child
    assert "amr_tf" in imported
    wrong = {
        "trainers", "tfrecords", "studies", "benchmarks", "av", "rich", "matplotlib", "PIL",
        "jinja2", "filelock", "psutil", "tensorflow_io", "tensorflow_addons", "apache_beam",
    }  # fmt: skip
    assert not wrong & set(imported)
    assert not begun, "the import has set up TensorFlow's devices"
