"""Explains what a model makes of media files: `python -m trainers.explain --model_dir=DIR CLIP...`.

A clip is one file that holds all modalities of the model, or one file for each, with commas
between: `image=a.png,text=a.txt`. A text without a comma may stand there itself.

For each clip a page, MODEL_DIR/explanations/<clip>/explanation.html: the likeliest labels, the
modalities' shares, and Grad⊙Input carried back to the spectrogram, the pixels, the words and the
numbers. A file that cannot be read gets one line, and the others go on.
"""

import pathlib
import sys

from absl import flags

from amr_tf._context import PRESENCE
from amr_tf.analysis.explanation import explain
from amr_tf.serving.encoded_media import raw_of_files
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
        classes = load_classes(model_dir)
        output = pathlib.Path(values.output_dir or model_dir / "explanations")
    failed = 0
    with command.user_errors():
        files = [media_files.sources(clip, taken) for clip in clips]
    read = media_files.read(files, taken, settings)
    for clip, named, found in zip(clips, files, read, strict=True):
        if isinstance(found, MediaError):
            print(media_files.refusal(clip, found), file=sys.stderr)
            failed += 1
            continue
        raw = raw_of_files(media_files.batch([found], taken), taken)
        there = [name for name, p in zip(taken, raw[PRESENCE][0], strict=True) if p]
        directory = output / (pathlib.PurePath(next(iter(named.values()))).stem[:80] or "clip")
        page = explanation_page.write(
            directory, clip, explain(model, raw), there, config, taken, classes
        )
        print(f"explanation  {page}")
    if failed:
        sys.exit(1)


def main() -> None:
    """The command, also as `amr-explain`."""
    command.run(define, explain_clips, arguments=True)


if __name__ == "__main__":
    main()
