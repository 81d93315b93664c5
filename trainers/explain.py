"""Explains what a model makes of media files: `python -m trainers.explain --model_dir=DIR CLIP...`.

For each clip a page, MODEL_DIR/explanations/<clip>/explanation.html: the likeliest labels, the
modalities' shares, and Grad⊙Input carried back to the spectrogram and to the pixels. A file that
cannot be read gets one line, and the others go on.
"""

import pathlib
import sys

from absl import flags

from amr_tf.analysis.explanation import explain
from amr_tf.serving import encoded_media
from tfrecords.building.container import MediaError
from trainers.config.run_config import Config
from trainers.reporting import explanation_page
from trainers.running import command, inputs, media_files
from trainers.running.finished_run import load_classes, load_model


def define() -> None:
    """Defines the flags."""
    flags.DEFINE_string("model_dir", "", "Directory of a finished `trainers.fit`.")
    flags.DEFINE_string(
        "output_dir", "", "Directory of the pages (default: MODEL_DIR/explanations)."
    )


def explain_clips(clips: list[str]) -> None:
    """Writes a page for each file."""
    values = flags.FLAGS
    with command.user_errors():
        model_dir = command.required_directory("model_dir", values.model_dir)
        if not clips:
            raise ValueError("name media files: trainers.explain --model_dir=DIR CLIP.mp4 ...")
        config = Config.load(model_dir)
        model = load_model(model_dir, compile=False)
        taken, settings = inputs.load(model_dir)
        media_files.check_inputs(taken)
        classes = load_classes(model_dir)
        output = pathlib.Path(values.output_dir or model_dir / "explanations")
    failed = 0
    paths = [pathlib.Path(clip) for clip in clips]
    for clip, found in zip(paths, media_files.read(paths, taken, settings), strict=True):
        if isinstance(found, MediaError):
            print(media_files.refusal(clip, found), file=sys.stderr)
            failed += 1
            continue
        features = encoded_media.media_features(media_files.batch([found], taken), taken)
        explanation = explain(model, features)
        arrays = {name: x.numpy() for name, x in features.items()}
        directory = output / clip.stem
        page = explanation_page.write(directory, clip, explanation, arrays, config, taken, classes)
        print(f"explanation  {page}")
    if failed:
        sys.exit(1)


def main() -> None:
    """The command, also as `amr-explain`."""
    command.run(define, explain_clips, arguments=True)


if __name__ == "__main__":
    main()
