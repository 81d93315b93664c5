"""Commands in forks of a process that has imported TensorFlow: some seconds less for each.

`python -m tests.trainers.forks` is that process: a line of JSON asks for a command, a line answers
with its exit status. TensorFlow is imported there and not used, so that nothing of it runs yet. The
runs of a comparison are forks as well, of one that is made before the comparison begins.

An eager command builds no graphs, which takes most of the time of a tiny run.
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
import types
import typing
import warnings

ROOT = pathlib.Path(__file__).parents[2]


def run(
    module: str, arguments: list[str], cwd: pathlib.Path | None = None, eager: bool = False
) -> subprocess.CompletedProcess:
    """What `python -m module arguments...` does and prints, in a directory."""
    server = _server()
    with tempfile.TemporaryDirectory() as directory:
        paths = [pathlib.Path(directory) / name for name in ("stdout", "stderr")]
        asked = {
            "module": module, "arguments": arguments, "outputs": [str(p) for p in paths],
            "cwd": str(cwd or pathlib.Path.cwd()), "eager": eager,
        }  # fmt: skip
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
    _answer(sys.stdin, sys.stdout)


def _answer(lines: typing.IO[str], answers: typing.IO[str]) -> None:
    for line in lines:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python 3.12's of threads; see above
            child = os.fork()
        if child:
            _, status = os.waitpid(child, 0)
            print(os.waitstatus_to_exitcode(status), file=answers, flush=True)
        else:
            _become(json.loads(line))


class _Run:
    """Stands for the `subprocess.Popen` of a comparison's run, which becomes a fork.

    Args:
        pipes: The files to ask by, and for the answers.
        eager: Boolean, whether the run builds no graphs.
        arguments: List of the call of a command.
        stdout: The file for what the run prints.
        **_: What else a new process would be given.
    """

    def __init__(
        self,
        pipes: tuple[typing.IO[str], typing.IO[str]],
        eager: bool,
        arguments: list[str],
        stdout: typing.IO[str],
        **_: typing.Any,
    ) -> None:
        ask, self._answers = pipes
        outputs = [str(pathlib.Path(stdout.name).absolute())] * 2
        _, _, module, *given = arguments
        asked = {"module": module, "arguments": given, "outputs": outputs}
        ask.write(json.dumps({**asked, "cwd": os.getcwd(), "eager": eager}) + "\n")
        ask.flush()

    def wait(self) -> int:
        """Its exit status."""
        return int(self._answers.readline())


def _fork_runs(eager: bool) -> None:
    """Makes the runs of the comparison that this process becomes forks of it as it is now."""
    from trainers.comparison import jobs

    theirs, ask = os.pipe()
    answers, answer = os.pipe()
    if os.fork() == 0:
        os.close(ask)  # so that its requests end when the comparison does
        _answer(os.fdopen(theirs), os.fdopen(answer, "w"))
        os._exit(0)
    os.close(theirs)
    os.close(answer)
    made = functools.partial(_Run, (os.fdopen(ask, "w"), os.fdopen(answers)), eager)
    jobs.subprocess = types.SimpleNamespace(Popen=made, STDOUT=subprocess.STDOUT)


def _become(asked: dict) -> typing.NoReturn:
    """The command, in the fork."""
    import tensorflow as tf

    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for i, path in enumerate(asked["outputs"]):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), i + 1)
    os.chdir(asked["cwd"])
    if asked["eager"]:
        tf.config.run_functions_eagerly(True)
        message = "Even though the `tf.config.experimental_run_functions_eagerly`"
        warnings.filterwarnings("ignore", message)  # pipelines of data remain graphs
    if asked["module"] == "trainers.compare":
        _fork_runs(asked["eager"])
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
