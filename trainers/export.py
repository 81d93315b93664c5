"""Exports a trained model for serving: `python -m trainers.export --model_dir=DIR`.

Writes a SavedModel as the next version of --export_dir, with the signatures `serving_default`
(arrays), `serving_media` (WAV and JPEG files' bytes) and `explain`; see `amr_tf.serving`. Beside
the versions lies a `models.config` for TensorFlow Serving.
"""

import json
import pathlib

from absl import flags

from amr_tf.serving import exporting
from trainers import fit
from trainers.reporting import model_card
from trainers.running import command
from trainers.running.finished_run import load_config


def define() -> None:
    """Defines the flags."""
    flags.DEFINE_string("model_dir", "", "Directory of a finished `trainers.fit`.")
    flags.DEFINE_string("export_dir", "", "Directory of the versions (default: MODEL_DIR/export).")


def main() -> None:
    """The command."""
    with command.user_errors():
        model_dir = command.required_directory("model_dir", flags.FLAGS.model_dir)
        config = load_config(model_dir)
        results = model_dir / "results.json"
        if not (model_dir / model_card.FILE).exists() and results.exists():  # of an earlier release
            model_card.write(config, json.loads(results.read_text()))
        directory = pathlib.Path(flags.FLAGS.export_dir or model_dir / "export")
        version = fit.export(config, directory)
    print(f"SavedModel   {version}\nServing      {directory / exporting.MODELS_CONFIG}")
    print(f"  saved_model_cli show --dir {version} --all")
    print(f"  python -m trainers.predict --export_dir={version} CLIP...")


if __name__ == "__main__":
    command.run(define, main)
