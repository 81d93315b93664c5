"""The plug-in interface: six places in the one train step, and nothing else."""

import dataclasses
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import keras
import tensorflow as tf

from amr_tf import distribution
from amr_tf._context import Context
from amr_tf._tape import Tape
from amr_tf.tasks.multiclass import cross_entropy as cross_entropy  # methods take it from here

# What a method can require of whoever trains it.
TEACHERS, CLASS_COUNTS, HELD_OUT = "teachers", "class_counts", "held_out"
# What `Method.tasks` is where the loss of samples is all that a method asks of a task.
ANY_TASK = ("any task",)


@dataclasses.dataclass(frozen=True)
class HeldOut:
    """Data beside the training batches, for methods that require `held_out`.

    Example:
        >>> held_out = amr_tf.methods.HeldOut(
        ...     train=lambda step: dataset.repeat().skip(step),
        ...     steps_per_epoch=len(dataset),
        ...     seen=dataset,
        ...     unseen=validation,
        ... )
        >>> method = amr_tf.methods.GradientBlending()
        >>> method.held_out = held_out

    Attributes:
        train: Function, first step -> the endless stream of training batches from there.
        steps_per_epoch: Integer, the batches in an epoch.
        seen: Dataset of training clips, each once, as for evaluation.
        unseen: Dataset of clips that are never trained on, and not those that results are
            reported on.
        callbacks: Callbacks of the trainings of single parts, which show progress.
    """

    train: Callable[[int], tf.data.Dataset]
    steps_per_epoch: int
    seen: tf.data.Dataset
    unseen: tf.data.Dataset
    callbacks: Sequence[keras.callbacks.Callback] = ()


class Method:
    """Naive fusion, and the base of every other method: override what differs.

    A method is a small serialisable object; what it learns lives in weights and parts that it
    gives to the model in `build`, so that they are saved with it. The arguments of its constructor
    are its options: commands read their names, types and defaults from the signature. Its code
    becomes a graph as it is written, without AutoGraph: `tf.where` or `tf.cond` takes the place of
    an `if` about a tensor.

    Example:
        >>> @amr_tf.register_method("louder")
        ... class Louder(amr_tf.methods.Method):
        ...     help = "multiplies the loss"
        ...
        ...     def __init__(self, factor: float = 2.0) -> None:
        ...         self.factor = factor
        ...
        ...     def loss(self, context):
        ...         return self.factor * super().loss(context)
        ...
        ...     def get_config(self):
        ...         return {"factor": self.factor}
        >>> list(Louder.options())
        ['factor']

    Attributes:
        help: String, what the method does, in one line, for `--help` and tables.
        same_encoders: Boolean, whether teachers must have the encoders of the model that learns.
        requires: Strings, what only the data or other runs can tell: `teachers` (a trained
            unimodal model for each modality) and `class_counts` (the training clips of each class)
            are arguments of the constructor; `held_out` (a `HeldOut`) is set as an attribute
            before training.
        min_modalities: Integer, the least number of modalities that it is defined for.
        tasks: Strings, the names of the tasks that it is defined for; `ANY_TASK` where
            `context.losses` is all that it asks of one.
        trains: Boolean, whether there is anything to train.
        flags: Mapping, name of a command's flag -> the option that it is another name of.
        recipe_options: Mapping, name of a recipe of `trainers.fit` -> the method's options, by
            name, as they were published for that recipe's data.
        demo_options: String, the options by which it is cheap enough for small comparisons, e.g.
            `estimate_epochs=5`.
        held_out: `HeldOut`, or None while nobody has set it.
        phase: String, which of several kinds of steps the next ones are, where a method has some.
            Set it in `on_epoch_begin`, and let hooks look at it: each has a graph of its own.
    """

    help: ClassVar[str] = ""
    requires: ClassVar[tuple[str, ...]] = ()
    same_encoders: ClassVar[bool] = False
    min_modalities: ClassVar[int] = 1
    tasks: ClassVar[tuple[str, ...]] = ("multiclass",)
    trains: ClassVar[bool] = True
    flags: ClassVar[Mapping[str, str]] = {}
    recipe_options: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    demo_options: ClassVar[str] = ""
    held_out: HeldOut | None = None
    phase: str = ""

    @classmethod
    def options(cls) -> dict[str, inspect.Parameter]:
        """The method's own options by name, without what it requires of others."""
        parameters = inspect.signature(cls).parameters
        return {name: p for name, p in parameters.items() if name not in cls.requires}

    def check_modalities(self, names: Sequence[str]) -> None:
        """Refuses modalities for which the method is not defined.

        Raises:
            ValueError: There are too few.
        """
        if len(names) < self.min_modalities:
            raise ValueError(
                f"{type(self).__name__} compares modalities: it needs at least "
                f"{self.min_modalities}, there is {', '.join(names)}"
            )

    @classmethod
    def suits(cls, task: str) -> bool:
        """Whether the method, with its default options, is defined for a task.

        Args:
            task: String, the task's name.
        """
        return cls.tasks == ANY_TASK or task in cls.tasks

    def check_task(self, task: str) -> None:
        """Refuses a task for which the method is not defined.

        Args:
            task: String, the task's name.

        Raises:
            ValueError: The method is not defined for it.
        """
        if not self.suits(task):
            raise ValueError(
                f"{type(self).__name__} is defined only for {', '.join(self.tasks)}, and the task "
                f"is {task}: take a method that asks for nothing but losses, e.g. naive fusion"
            )

    def parts(
        self, modalities: Sequence[str], build: Callable[[], tuple[dict, keras.Model]]
    ) -> tuple[dict[str, keras.Model], keras.Model]:
        """The encoders and the head of a model that is to be made; here the caller's own.

        Args:
            modalities: Strings, the names of the modalities.
            build: Function that makes the caller's encoders, by modality, and head.
        """
        del modalities
        return build()

    def build(self, model: Any) -> None:
        """Called once when the model is made: auxiliary heads, teachers, state."""

    def encodings(self, encodings: list[tf.Tensor], context: Context) -> list[tf.Tensor]:
        """Changes what the head sees: drop, mask, detach.

        A method that removes a modality from samples says so in `context.presence`.

        Args:
            encodings: List of M tensors `[B, ...]`.
            context: Context of the step; `encodings` and `logits` are not filled yet.

        Returns:
            M tensors of the same shapes.
        """
        del context
        return encodings

    def loss(self, context: Context) -> tf.Tensor:
        """The task loss: this replica's share of the mean loss over the global batch.

        `context.mean` makes that share of numbers `[B]`, sample weights included, `context.present`
        leaves out those of samples that lack a modality.
        """
        return context.mean(context.losses(context.logits))

    def gradients(self, context: Context, loss: tf.Tensor, tape: Tape, variables: list) -> list:
        """Gradients of the task loss for `variables`, summed over the replicas; None where none.

        Args:
            context: Context of the step.
            loss: Scalar, what `loss` returned.
            tape: Tape that recorded encoders, head and loss; ask it for gradients as often as
                needed.
            variables: List of the model's trainable variables.
        """
        del context
        return distribution.sum_gradients(tape.gradient(loss, variables))

    def updates(
        self, context: Context, loss: tf.Tensor, tape: Tape, variables: list
    ) -> Iterator[tuple[list, list]]:
        """The updates that a step makes, in turn; here one, of all variables.

        What no update names stays as it is, momentum and weight decay included. Code behind a
        `yield` sees the variables as that update has left them.

        Args:
            context: Context of the step.
            loss: Scalar, what `loss` returned.
            tape: Tape that recorded encoders, head and loss.
            variables: List of the model's trainable variables.

        Yields:
            Gradients, summed over the replicas, None where none; and the variables they are of.
        """
        yield self.gradients(context, loss, tape, variables), variables

    def on_epoch_begin(self, model: Any, epoch: int) -> None:
        """Called by `fit` before an epoch."""

    def on_epoch_end(self, model: Any, epoch: int, logs: dict[str, float]) -> None:
        """Called by `fit` after an epoch, with its logs."""

    def modalities(self, available: tuple[str, ...]) -> tuple[str, ...]:
        """The modalities, of those available, that the model is to be built with; here all."""
        return available

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, so that a saved model finds its method again."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Method":
        """The method that `get_config` described."""
        return cls(**config)
