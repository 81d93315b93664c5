"""The kinds of labels: a class, any number of labels, or numbers, and all that depends on them.

    multiclass   class ids [B]              softmax       accuracy, mAP
    multilabel   0 and 1 [B, C]             sigmoid       macro and micro mAP, hits, F1
    regression   numbers [B] or [B, K]      as they are   correlation, MAE, concordance

A new task is one new file and one line below; a user's own is registered by `register_task`.
"""

from typing import Any

import keras

from amr_tf._registry import Registry
from amr_tf.tasks.base import Metric, Task
from amr_tf.tasks.multiclass import Multiclass
from amr_tf.tasks.multilabel import Multilabel
from amr_tf.tasks.regression import Regression

TASKS: Registry[type[Task]] = Registry("task")


def register_task(name: str, task: type[Task] | None = None) -> Any:
    """Registers a task, so that models know it by a name and saved models find it again.

    Example:
        >>> @amr_tf.tasks.register_task("tags")
        ... class Tags(amr_tf.tasks.Multilabel):
        ...     help = "tags that people gave"
        >>> amr_tf.tasks.find_task("tags").name
        'tags'

    Args:
        name: String, a lower-case identifier.
        task: Class, a subclass of `Task`; without one, this is a decorator.

    Returns:
        The class, or the decorator.

    Raises:
        TypeError: It is not a subclass of `Task`.
        ValueError: The name is not a lower-case identifier, or another task has it.
    """

    def register(task: type[Task]) -> type[Task]:
        if not (isinstance(task, type) and issubclass(task, Task)):
            raise TypeError(f"a task is a subclass of amr_tf.tasks.Task, not {task!r}")
        if keras.saving.get_registered_name(task) == task.__name__:
            package = task.__module__.split(".")[0]
            keras.saving.register_keras_serializable(package=package)(task)
        TASKS.register(name, task)
        task.name = name
        return task

    return register if task is None else register(task)


def find_task(task: str | Task) -> Task:
    """A task, or the one of a name.

    Example:
        >>> amr_tf.tasks.find_task("multilabel").selects
        'mAP'

    Args:
        task: String, a key of `TASKS`, or a Task, which is returned.

    Raises:
        ValueError: No task has that name.
    """
    return task if isinstance(task, Task) else TASKS.find(task)()


register_task("multiclass", Multiclass)
register_task("multilabel", Multilabel)
register_task("regression", Regression)

__all__ = [
    "TASKS",
    "Metric",
    "Multiclass",
    "Multilabel",
    "Regression",
    "Task",
    "find_task",
    "register_task",
]
