"""A finished run's model as a SavedModel."""

import pathlib

from amr_tf.serving import exporting
from trainers.config.run_config import Config
from trainers.reporting import model_card
from trainers.running import inputs
from trainers.running.finished_run import load_classes, load_model


def export(model_dir: pathlib.Path, directory: pathlib.Path) -> pathlib.Path:
    """Writes a SavedModel of a run's `model.keras` as the next version in a directory.

    Args:
        model_dir: Path of the run.
        directory: Path of the versions.

    Returns:
        The version's directory.

    Raises:
        ValueError: The run's files are damaged.
        OSError: A file cannot be read or written.
    """
    config = Config.load(model_dir)
    model = load_model(model_dir, compile=False)
    taken = inputs.load(model_dir)
    notes = {
        "method": config.method,
        "amr_weight": config.effective_amr_weight,
        **taken.decoding(),
    }
    card = model_dir / model_card.FILE
    extra = {card.name: card.read_text("utf-8")} if card.exists() else {}
    return exporting.export(
        model, directory, load_classes(model_dir), taken.modalities, notes, extra
    )
