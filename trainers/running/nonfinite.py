"""Steps of a run that are not finite: the run ends with a helpful message, or counts them."""

import pathlib
import sys
from collections.abc import Callable

import keras

from trainers.running import checkpoints

SHOWN = 5  # clips that are named on the terminal


class NonFiniteLoss(Exception):
    """The error for a loss or gradient that is NaN or infinite; the message has the details."""


class NonFinite(keras.callbacks.Callback):
    """Checks every so often whether a step was not finite (the device counts them).

    Put it before whatever evaluates or saves.

    Args:
        clips: Function, step (from 0) -> names of its clips.
        model_dir: Path of the run; the clips are listed in `nonfinite.txt` there.
        every: Integer, the steps between two checks.
        skip: Boolean, whether such steps are skipped, by the model, and counted; else the run ends.
    """

    reads_logs_of_steps = False

    def __init__(
        self,
        clips: Callable[[int], list[str]],
        model_dir: pathlib.Path,
        every: int,
        skip: bool,
    ) -> None:
        super().__init__()
        self.clips, self.model_dir = clips, model_dir
        self.every, self.skip = every, skip
        self._seen: int | None = None

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        if (batch + 1) % self.every == 0 or batch + 1 == self.params["steps"]:
            self.look()

    def look(self) -> None:
        """Checks now.

        Raises:
            NonFiniteLoss: A step was not finite, and such steps are not skipped.
        """
        count = int(self.model.nonfinite_steps.numpy())
        if self.skip:
            new = count - (self._seen or 0)
            if new and self._seen is not None:
                print(
                    f"warning: skipped {new} of the steps up to {self.model.steps_done}: loss or "
                    f"gradient not finite ({count} so far)",
                    file=sys.stderr,
                )
            self._seen = count
        elif count:
            raise NonFiniteLoss(self._explain(int(self.model.first_nonfinite_step.numpy())))

    def on_train_begin(self, logs: dict | None = None) -> None:
        self._seen = int(self.model.nonfinite_steps.numpy())

    def _explain(self, step: int) -> str:
        names = self.clips(step - 1)
        path = self.model_dir / "nonfinite.txt"
        path.write_text("".join(f"{name}\n" for name in names))
        saved = checkpoints.saved(self.model_dir / "checkpoints")
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        return (
            f"step {step}: the loss or its gradient is not finite (NaN or infinity). "
            f"Its clips: {', '.join(names[:SHOWN])}{more} (all in {path}). Last good checkpoint: "
            f"{saved[0] if saved else 'none'}. Try a lower --learning_rate or --clip_norm=1; "
            "--nan=skip leaves such steps out and counts them"
        )
