"""Files that cannot be read are named one by one, and the others of a batch are read.

A problem is a string that says what is wrong, "" where nothing is.
"""

from collections.abc import Callable

import tensorflow as tf


def each(
    read: Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]],
    files: tf.Tensor,
    otherwise: tf.Tensor,
    failure: str,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Reads each file by itself, several at a time.

    A graph has no try, and TensorFlow's decoders raise for what only decoding can show. A dataset
    can leave out the elements that raise: those that are missing then are the ones that failed.

    Args:
        read: Function, a file's bytes -> its value of `otherwise`'s shape, and the problem.
        files: Tensor `[N]` of strings.
        otherwise: Tensor, the value of a file that cannot be read.
        failure: String, the problem of a file for which `read` raises.

    Returns:
        Values `[N, ...]` and problems `[N]`.
    """
    count = tf.size(files, tf.int64)

    @tf.autograph.experimental.do_not_convert
    def one(k: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        value, problem = read(files[k])
        return k, tf.where(problem == "", value, otherwise), problem

    found = tf.data.Dataset.range(count).map(one, tf.data.AUTOTUNE)
    # one more, that there may be a batch where all fail
    last = tf.data.Dataset.from_tensors((count, otherwise, ""))
    found = found.ignore_errors().concatenate(last).batch(count + 1)
    options = tf.data.Options()  # to improve the graph of a dataset takes ten times what it saves
    options.autotune.enabled = False
    options.experimental_optimization.apply_default_optimizations = False
    places, values, problems = found.with_options(options).get_single_element()
    places = places[:, tf.newaxis]
    values = tf.tensor_scatter_nd_update(_filled(otherwise, count + 1), places, values)
    problems = tf.tensor_scatter_nd_update(tf.fill([count + 1], failure), places, problems)
    return tf.ensure_shape(values[:-1], [*files.shape, *otherwise.shape]), problems[:-1]


def refused(*checks: tuple[tf.Tensor, tf.Tensor | str]) -> tf.Tensor:
    """The first problem that applies.

    Args:
        *checks: Pairs of a boolean tensor, whether there is the problem, and the problem.
    """
    problem = tf.zeros_like(checks[0][0], tf.string)
    for wrong, message in reversed(checks):
        problem = tf.where(wrong, message, problem)
    return problem


def first_problem(problems: tf.Tensor) -> tf.Tensor:
    """The first problem in each row: `[B, K]` -> `[B]`, K of 1 or more."""
    first = tf.argmax(tf.cast(problems != "", tf.int32), axis=1)
    return tf.gather(problems, first, batch_dims=1)


def _filled(value: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    return tf.tile(value[tf.newaxis], tf.concat([[count], tf.ones(value.shape.rank, tf.int64)], 0))
