"""The functions that Keras' `fit` and `evaluate` call: steps on all replicas, as one graph.

Keras' own hand the whole step to XLA, which can't compile the sums over replicas within it, and on
Keras 3 they fail on several machines.
"""

import collections
import contextlib
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
import tensorflow as tf

from amr_tf import _compat, distribution

_ITERATORS = (tf.data.Iterator, tf.distribute.DistributedIterator)

# where no function has decided on AutoGraph: within one without it, Keras 2 rewrites no layer
_OUTSIDE = tf.__internal__.autograph.control_status_ctx()

# one kernel each, which as a cluster of one would only take longer
_APART = ("ReadVariableOp", "AssignAddVariableOp")


class StepFunctions:
    """The part of `MultimodalClassifier` that makes graphs of its steps.

    On one device XLA compiles a step as a whole. On several it compiles what lies between the
    collectives, cluster by cluster; the sums over the replicas stay TensorFlow's. Metrics stay on
    the device until someone reads them: a host that reads each step's waits for each step.
    """

    _logs_of_steps = True

    def make_train_function(self, force: bool = False) -> Callable:
        """The function of an iterator that trains, as `fit` wants it; made once a phase."""
        if self.train_function is None or force:
            # Keras would take a dict for one of layers
            self._train_functions: Mapping[str, Callable] = collections.UserDict()
        phase = self.method.phase
        if phase not in self._train_functions:
            made = self._function_of(self.train_step, "_train_counter")
            self._train_functions[phase] = made
        self.train_function = self._train_functions[phase]
        return self.train_function

    def make_test_function(self, force: bool = False) -> Callable:
        """The function of an iterator that tests, as `evaluate` wants it; made once."""
        if self.test_function is None or force:
            self.test_function = self._function_of(self.test_step, "_test_counter")
        return self.test_function

    @contextlib.contextmanager
    def logging_steps_for(self, callbacks: Any, verbose: Any) -> Iterator[None]:
        """A context in which functions return a step's logs only if someone reads them."""
        before = self._logs_of_steps
        self._logs_of_steps = _read_logs_of_steps(callbacks, verbose)
        try:
            yield
        finally:
            self._logs_of_steps = before

    def _function_of(self, step: Callable, counter: str) -> Callable:
        strategy = self.distribute_strategy
        several = strategy.num_replicas_in_sync > 1
        count = _compat.steps_per_execution(self)
        if self.xla and not several:
            step = graph_of(step, jit_compile=True, reduce_retracing=True)

        def one(batch: Any) -> None:
            with _clusters(self.xla and several):
                strategy.run(step, args=(batch,))
            if hasattr(self, counter):  # of Keras 2.15, for its callbacks
                getattr(self, counter).assign_add(1)

        def another(iterator: Any) -> tf.Tensor:
            batch = iterator.get_next_as_optional()
            there = batch.has_value()
            tf.cond(there, lambda: one(batch.get_value()), lambda: None)
            return there

        def many(iterator: Any) -> None:
            one(next(iterator))
            if count is not None:
                wanted = tf.cast(count, tf.int32)
                tf.while_loop(
                    lambda made, more: more & (made < wanted),
                    lambda made, _: (made + 1, another(iterator)),
                    (1, True),
                )

        def logs() -> dict[str, tf.Tensor]:
            with strategy.scope():  # across the replicas: sums of theirs
                return self.get_metrics_result()

        if not self.run_eagerly:
            one, many, logs = (graph_of(f, reduce_retracing=True) for f in (one, many, logs))

        def function(iterator: Any) -> dict[str, Any]:
            # on Keras 3 train_on_batch gives a generator
            many(iterator) if isinstance(iterator, _ITERATORS) else one(next(iterator))
            if self._logs_of_steps:
                return logs()
            # at an epoch's end Keras takes the metrics' results where these names are theirs
            return dict.fromkeys((metric.name for metric in self.metrics), math.nan)

        return function


def graph_of(function: Callable, **options: Any) -> Any:
    """Makes a TensorFlow function of a Python function that needs no AutoGraph.

    AutoGraph would take seconds to rewrite our code and a method's, and would find nothing to
    change. Layers of Keras 2 still have Keras rewrite their own `call`.

    Args:
        function: Function of tensors.
        **options: Values for `tf.function`.

    Returns:
        The function, which makes its graph at its first call.
    """
    as_written = tf.__internal__.autograph.tf_convert(function, _OUTSIDE, convert_by_default=False)
    return tf.function(as_written, autograph=False, **options)


def _read_logs_of_steps(callbacks: Any, verbose: Any) -> bool:
    """Returns whether a progress bar or a callback may read the logs of single steps."""
    if isinstance(callbacks, keras.callbacks.CallbackList):  # of `fit`, with its bar
        callbacks, verbose = callbacks.callbacks, 0
    told = ("on_batch_end", "on_train_batch_end", "on_test_batch_end")
    return bool(verbose) or any(
        getattr(callback, "reads_logs_of_steps", True)
        and getattr(getattr(callback, hook), "__func__", None)
        is not getattr(keras.callbacks.Callback, hook)
        for callback in callbacks or ()
        for hook in told
    )


def wants_xla(
    jit_compile: bool | str, strategy: tf.distribute.Strategy, eagerly: bool | None = False
) -> bool:
    """Whether XLA compiles the steps, from `jit_compile` and a strategy's devices.

    Args:
        jit_compile: Boolean, or "auto": on GPUs, where XLA's steps are quicker, and not on CPUs,
            where they are slower.
        strategy: Strategy, the model's.
        eagerly: Boolean, whether steps run without a graph, which leaves XLA nothing to compile.

    Raises:
        ValueError: `jit_compile` is something else.
    """
    if jit_compile == "auto":
        return distribution.on_gpus(strategy) and not eagerly
    if not isinstance(jit_compile, bool):
        raise ValueError(f"jit_compile is True, False or 'auto', got {jit_compile!r}")
    return jit_compile


@contextlib.contextmanager
def _clusters(wanted: bool) -> Iterator[None]:
    """Has XLA compile clusters of the operations that are made within, of any device."""
    if not wanted:
        yield
        return
    with tf.xla.experimental.jit_scope(lambda node: node.op not in _APART):
        yield
