"""Exports a trained model for serving: `python -m trainers.export --model_dir=DIR`.

Writes a SavedModel as the next version of --export_dir, with the signatures `serving_default`
(raw tensors), `serving_media` (WAV and JPEG files' bytes, texts, numbers) and `explain`; see
`amr_tf.serving`. Beside the versions lies a `models.config` for TensorFlow Serving.
"""

import pathlib

from absl import flags

from amr_tf.serving import exporting
from trainers.running import command
from trainers.running.exporting import export


def define() -> None:
    """Defines the flags."""
    flags.DEFINE_string("model_dir", "", "Directory of a finished `trainers.fit`.")
    flags.DEFINE_string("export_dir", "", "Directory of the versions (default: MODEL_DIR/export).")


def export_run() -> None:
    """Exports as the flags say."""
    with command.user_errors():
        model_dir = command.required_directory("model_dir", flags.FLAGS.model_dir)
        directory = pathlib.Path(flags.FLAGS.export_dir or model_dir / "export")
        version = export(model_dir, directory)
    print(f"SavedModel   {version}\nServing      {directory / exporting.MODELS_CONFIG}")
    print(f"  saved_model_cli show --dir {version} --all")
    plugins = f" --plugins={flags.FLAGS.plugins}" if flags.FLAGS.plugins else ""
    print(f"  python -m trainers.predict --export_dir={version}{plugins} CLIP...")


def main() -> None:
    """The command, also as `amr-export`."""
    command.run(define, export_run)


if __name__ == "__main__":
    main()
