"""Exports a trained model for serving: `python -m trainers.export --model_dir=DIR`.

Writes a SavedModel as the next version of --export_dir. Its `serving_default` takes waveforms
`[B, samples]` float32 and frames `[B, T, H, W, 3]` uint8 and gives probabilities, the top label
and the modalities' shares.
"""

import pathlib

from absl import flags

from trainers import command, fit
from trainers.evaluate import load_config


def define() -> None:
    """Defines the flags."""
    flags.DEFINE_string("model_dir", "", "Directory of a finished `trainers.fit`.")
    flags.DEFINE_string("export_dir", "", "Directory of the versions (default: MODEL_DIR/export).")


def main() -> None:
    """The command."""
    with command.user_errors():
        model_dir = command.required_directory("model_dir", flags.FLAGS.model_dir)
        config = load_config(model_dir)
        directory = pathlib.Path(flags.FLAGS.export_dir or model_dir / "export")
        version = fit.export(config, directory)
    print(f"SavedModel   {version}")
    print(f"  saved_model_cli show --dir {version} --tag_set serve --signature_def serving_default")


if __name__ == "__main__":
    command.run(define, main)
