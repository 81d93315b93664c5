"""The common parts of commands: flags, and one clear line for errors that a user can mend."""

import contextlib
import itertools
import pathlib
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence

import tensorflow as tf
from absl import app, flags, logging

from amr_tf.analysis.evaluation import Unmeasurable
from amr_tf.saving import trust
from tfrecords import lock_files
from tfrecords.datasets import BuildError
from tfrecords.plugins import load_named
from tfrecords.reading.pipeline import Pipeline
from tfrecords.reading.records import CorruptRecord


@contextlib.contextmanager
def user_errors() -> Iterator[None]:
    """Turns errors in flags, files and packages into one line and exit code 1.

    Put it around the set-up of a command only: a fault while training keeps its traceback.
    """
    try:
        yield
    except (BuildError, ImportError, OSError, ValueError) as error:
        sys.exit(f"error: {error}")


@contextlib.contextmanager
def data_errors(data: Pipeline) -> Iterator[None]:
    """Turns a record that cannot be read, or nothing to measure, into one line and exit code 1."""
    try:
        with data.records.naming_corrupt_records():
            yield
    except (CorruptRecord, Unmeasurable) as error:
        sys.exit(f"error: {error}")


@contextlib.contextmanager
def alone(directory: pathlib.Path) -> Iterator[None]:
    """Waits until no other process works in a directory, which is made, and keeps others out.

    Args:
        directory: Path of the directory.
    """
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / ".lock"
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(lock_files.held(path))
        except lock_files.Busy:
            print(f"another process works in {directory}: waiting for its end", flush=True)
            stack.enter_context(lock_files.held(path, wait=True))
        yield


def run(define: Callable[[], None], main: Callable[..., None], arguments: bool = False) -> None:
    """Loads plug-ins, defines the flags, parses them and runs the command.

    Args:
        define: Function that defines the flags.
        main: Function that does the command's work.
        arguments: Boolean, whether it takes a list of the arguments beside the flags.
    """

    def checked(given: Sequence[str]) -> None:
        # TensorFlow's notes on each saved file and renamed input, twice over
        logging.set_verbosity(logging.ERROR)
        tf.get_logger().setLevel("ERROR")
        if len(given) > 1 and not arguments:
            sys.exit(f"error: what is {given[1]!r}? All options begin with --")
        try:
            main(list(given[1:])) if arguments else main()
        except KeyboardInterrupt:
            sys.exit("interrupted")

    warnings.showwarning = lambda message, *_, **__: print(f"warning: {message}", file=sys.stderr)
    with user_errors():
        for module in load_named(sys.argv):
            trust(module)
    before = set(flags.FLAGS)
    define()
    if "plugins" not in flags.FLAGS:
        flags.DEFINE_string("plugins", "", "Modules that the run was trained with: a,b.c")
    for name in set(flags.FLAGS) - before:
        # absl's --help shows only the flags of the main module
        flags.FLAGS.register_key_flag_for_module(sys.argv[0], flags.FLAGS[name])
    app.run(checked, flags_parser=parse)


def parse(arguments: Sequence[str]) -> list[str]:
    """Parses a command's flags; prints one line and exits with code 1 where it can't.

    Args:
        arguments: Strings, the command's name and its arguments.

    Returns:
        The command's name and the arguments that are not flags.
    """
    try:
        return flags.FLAGS(arguments)
    except flags.Error as error:
        hint = "--help lists the options"
        given = itertools.takewhile(lambda argument: argument != "--", arguments[1:])
        files = [name for name in given if name.startswith("-") and pathlib.Path(name).exists()]
        if files:
            hint = f"write -- before files whose names begin with a dash: -- {files[0]}"
        sys.exit(f"error: {' '.join(str(error).split())}; {hint}")


def line(text: str) -> str:
    """The text as one line that a terminal can show: other characters are escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def required_directory(name: str, value: str) -> pathlib.Path:
    """The directory that a flag names.

    Raises:
        ValueError: The flag is missing.
        FileNotFoundError: There is no such directory.
    """
    if not value:
        raise ValueError(f"--{name} is missing: the directory of a finished `trainers.fit`")
    if not pathlib.Path(value).is_dir():
        raise FileNotFoundError(f"--{name}={value}: no such directory")
    return pathlib.Path(value)
