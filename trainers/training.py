"""The epochs of a run."""

import pathlib
import time
from typing import Any

import keras

import amr_tf
from amr_tf.methods import BlendingData, GradientBlending
from tfrecords.pipeline import Pipeline
from trainers import callbacks, run_directory
from trainers.checkpoints import Checkpoints
from trainers.config import Config
from trainers.tensorboard import TensorBoard


def train(config: Config, data: Pipeline, model: amr_tf.MultimodalClassifier) -> dict[str, Any]:
    """Runs the steps that are left; returns the seconds that they and one step took."""
    model_dir = pathlib.Path(config.model_dir)
    directory = model_dir / "checkpoints"
    directory.mkdir(exist_ok=True)
    history = model_dir / "history.csv"
    epoch, within = divmod(model.steps_done, data.steps_per_epoch)
    run_directory.trim(history, epoch)
    validation = callbacks.Validation(data.evaluate("validation"))
    examples = next(iter(data.evaluate("validation")))[0]
    examples = {name: value[:4].numpy() for name, value in examples.items()}
    if isinstance(model.method, GradientBlending):
        model.method.data = blending_data(data)
    step_time = callbacks.StepTime()
    rows = keras.callbacks.CSVLogger(str(history), append=history.exists())
    saver = Checkpoints(
        directory,
        run_directory.best_accuracy(history),
        config.checkpoint_minutes,
        config.checkpoint_steps,
        config.keep_checkpoints,
    )
    used = [
        step_time,
        validation,
        callbacks.EpochLines(config.epochs, model.modalities),
        rows,
        TensorBoard(config, validation, examples),
        saver,
    ]

    def fit(first: int, last: int, steps: int) -> None:
        """Epochs `first` to `last`, of `steps` steps each."""
        model.fit(
            data.train(model.steps_done),
            initial_epoch=first,
            epochs=last,
            steps_per_epoch=steps,
            shuffle=False,  # it is, by seed and epoch
            verbose=0,
            callbacks=used,
        )
        rows.append = True

    start = time.monotonic()
    with saver.ending_on_sigterm():
        if within:  # the rest of the epoch that was interrupted
            fit(epoch, epoch + 1, data.steps_per_epoch - within)
            epoch += 1
        if epoch < config.epochs:
            fit(epoch, config.epochs, data.steps_per_epoch)
    return {"seconds": round(time.monotonic() - start, 1), "step_seconds": step_time.median}


def blending_data(data: Pipeline) -> BlendingData:
    """What Gradient-Blending weighs its heads on: as many training clips as validation has."""
    held_out = data.evaluate("validation")
    return BlendingData(
        train=data.train,
        steps_per_epoch=data.steps_per_epoch,
        seen=data.evaluate("train").take(held_out.cardinality()),
        held_out=held_out,
        callbacks=[callbacks.Bar("one head alone")],
    )
