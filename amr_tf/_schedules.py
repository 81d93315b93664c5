"""The AMR optimizer's learning rate follows the shape of the task's."""

import warnings
from typing import Any

import keras
import tensorflow as tf

from amr_tf import _compat

AMR_LEARNING_RATE = 0.1


@keras.saving.register_keras_serializable(package="amr_tf")
class RescaledSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """`peak * schedule(step) / max(schedule)`: another schedule's shape at a height of its own.

    Args:
        schedule: A Keras schedule that states its highest rate: `initial_learning_rate`,
            `warmup_target` or `values`.
        peak: Float, the highest rate of this one.

    Raises:
        ValueError: The schedule doesn't state its highest rate.
    """

    def __init__(
        self, schedule: keras.optimizers.schedules.LearningRateSchedule, peak: float
    ) -> None:
        config = schedule.get_config()
        rates = config.get("values") or [
            config.get("warmup_target"),
            config.get("initial_learning_rate"),
        ]
        rates = [rate for rate in rates if rate]
        if not rates:
            raise ValueError(
                f"{type(schedule).__name__} doesn't state its highest learning rate: "
                "give amr_optimizer=keras.optimizers.SGD(your_schedule)"
            )
        self.schedule = schedule
        self.peak = peak
        self.scale = peak / max(rates)

    def __call__(self, step: Any) -> tf.Tensor:
        """The learning rate at a step."""
        return self.schedule(step) * self.scale

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "schedule": keras.saving.serialize_keras_object(self.schedule),
            "peak": self.peak,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "RescaledSchedule":
        """The schedule that `get_config` described."""
        schedule = keras.saving.deserialize_keras_object(config["schedule"])
        return cls(schedule, config["peak"])


@keras.saving.register_keras_serializable(package="amr_tf")
class RateOfTask(keras.optimizers.schedules.LearningRateSchedule):
    """`peak * now / start`: the task's learning rate, which callbacks change, at another height.

    The task's rate is read in the step itself: the two change at the same step, on every replica
    and after a reload.

    Args:
        peak: Float, the rate while the task has its first one.
        start: Float, the task's first rate, positive.
    """

    def __init__(self, peak: float, start: float) -> None:
        self.peak = peak
        self.start = start
        self.task: Any = None  # the optimizer, when both are known

    def __call__(self, step: Any) -> tf.Tensor:
        """The learning rate now, whatever the step."""
        del step
        if self.task is None:
            return tf.constant(self.peak)
        now = tf.cast(tf.convert_to_tensor(self.task.learning_rate), tf.float32)
        return self.peak * (now / self.start)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"peak": self.peak, "start": self.start}


def rescaled(schedule_or_rate: Any, peak: float) -> Any:
    """A learning rate for the AMR optimizer beside the task's: constant if that is constant."""
    if isinstance(schedule_or_rate, keras.optimizers.schedules.LearningRateSchedule):
        return RescaledSchedule(schedule_or_rate, peak)
    return peak


def amr_optimizer(wanted: Any, task_optimizer: Any) -> Any:
    """The optimizer of R: the given one, or SGD that follows the task optimizer's learning rate.

    Args:
        wanted: A Keras optimizer, its name, or None for the default.
        task_optimizer: Optimizer of the task.
    """
    if wanted is None:
        rate = rescaled(_compat.learning_rate_of(task_optimizer), AMR_LEARNING_RATE)
        if not callable(rate) and (start := _compat.learning_rate_now(task_optimizer)) > 0:
            rate = RateOfTask(rate, start)
            rate.task = task_optimizer
        return keras.optimizers.SGD(rate)
    optimizer = keras.optimizers.get(wanted)
    rate = _compat.learning_rate_of(optimizer)
    if isinstance(rate, RateOfTask):  # of a saved model
        rate.task = task_optimizer
    if not isinstance(optimizer, keras.optimizers.SGD):
        warnings.warn(
            f"{type(optimizer).__name__} as the AMR optimizer: Adam-like optimizers divide by the "
            "gradient's size, so amr_weight has no effect (only its sign is left)",
            stacklevel=4,
        )
    return optimizer
