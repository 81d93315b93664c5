"""Commands in forks of a process that has imported TensorFlow: some seconds less for each.

`python -m tests.trainers.forks` is that process: a line of JSON asks for a command, a line answers
with its exit status. TensorFlow is imported there and not used, so that nothing of it runs yet.
"""

import atexit
import functools
import gc
import json
import os
import pathlib
import runpy
import subprocess
import sys
import tempfile
import traceback
import typing
import warnings

ROOT = pathlib.Path(__file__).parents[2]


def run(
    module: str, arguments: list[str], cwd: pathlib.Path | None = None
) -> subprocess.CompletedProcess:
    """What `python -m module arguments...` does and prints, in a directory."""
    server = _server()
    with tempfile.TemporaryDirectory() as directory:
        paths = [pathlib.Path(directory) / name for name in ("stdout", "stderr")]
        asked = {"module": module, "arguments": arguments, "outputs": [str(p) for p in paths]}
        asked["cwd"] = str(cwd or pathlib.Path.cwd())
        server.stdin.write(json.dumps(asked) + "\n")
        server.stdin.flush()
        status = int(server.stdout.readline())
        printed = [path.read_text() for path in paths]
    return subprocess.CompletedProcess(arguments, status, *printed)


def environment() -> dict[str, str]:
    """A user's, who knows nothing of the tests' settings."""
    made = {**os.environ, "PYTHONPATH": str(ROOT)}
    made.pop("TF_CPP_MIN_LOG_LEVEL", None)
    return made


@functools.cache
def _server() -> subprocess.Popen:
    command = [sys.executable, "-m", "tests.trainers.forks"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    server = subprocess.Popen(command, text=True, env=environment(), **pipes)
    atexit.register(server.kill)
    return server


def serve() -> None:
    """Answers until its input ends. The fork returns from here by the command's own exit."""
    from tfrecords import quiet  # noqa: F401  isort: skip
    import matplotlib.pyplot  # noqa: F401
    import sklearn.metrics  # noqa: F401
    from tensorflow.python.eager import context

    import amr_tf  # noqa: F401
    import trainers.running.assembly  # noqa: F401

    if context.context()._context_handle is not None:
        raise RuntimeError("TensorFlow has begun to run: forks of this process would hang")
    gc.freeze()  # nobody need look at it again
    for line in sys.stdin:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python 3.12's of threads; see above
            child = os.fork()
        if child:
            _, status = os.waitpid(child, 0)
            print(os.waitstatus_to_exitcode(status), flush=True)
        else:
            _become(json.loads(line))


def _become(asked: dict) -> typing.NoReturn:
    """The command, in the fork."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for i, path in enumerate(asked["outputs"]):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), i + 1)
    os.chdir(asked["cwd"])
    sys.argv = [asked["module"], *asked["arguments"]]
    status = 0
    try:
        runpy.run_module(asked["module"], run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        status = ended.code or 0
        if isinstance(status, str):
            print(status, file=sys.stderr)
            status = 1
    except BaseException:
        traceback.print_exc()
        status = 1
    # taking the interpreter apart, all that was imported with it, takes longer than some commands
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    serve()
