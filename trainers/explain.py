"""Explains a model's answers for media files: `python -m trainers.explain --model_dir=DIR CLIP...`.

A clip is one file that holds all modalities of the model, or one file for each, with commas
between: `image=a.png,text=a.txt`. A text without a comma may stand there itself. Write -- before
files whose names begin with a dash.

For each clip a page, MODEL_DIR/explanations/<clip>/explanation.html: the likeliest labels, the
modalities' shares, and Grad⊙Input carried back to the spectrogram, the pixels, the words and the
numbers; the numbers of the page are in explanation.json beside it. Of a file that is longer than
the clips of the training, labels and shares over time are drawn, and the window that speaks most
clearly for the label is explained. A file that cannot be read gets one line, and the others go on.
"""

import pathlib
import sys

from absl import flags

from trainers.reporting import explanation_files, explanation_page
from trainers.reporting.prediction_answers import Answers
from trainers.running import command, media_files, windows
from trainers.running.explainer import Explainer
from trainers.running.predictor import Labelled


def define() -> None:
    """Defines the flags."""
    flags.DEFINE_string("model_dir", "", "Directory of a finished `trainers.fit`.")
    flags.DEFINE_string(
        "output_dir", "", "Directory of the pages (default: MODEL_DIR/explanations)."
    )
    windows.define_flag()


def explain_clips(clips: list[str]) -> None:
    """Writes a page for each file."""
    values = flags.FLAGS
    with command.user_errors():
        model_dir = command.required_directory("model_dir", values.model_dir)
        if not clips:
            raise ValueError("name media files: trainers.explain --model_dir=DIR CLIP.mp4 ...")
        explainer = Explainer.of_run(model_dir)
        predictor = explainer.predictor
        predictor.check_window(values.window_seconds)
        output = pathlib.Path(values.output_dir or model_dir / "explanations")
        output.mkdir(parents=True, exist_ok=True)
        labelled = predictor.label(clips, values.window_seconds)
    failed = 0
    for clip, found in labelled:
        if not media_files.tell_problems(clip, found):
            failed += 1
            continue
        page = _write(output, clip, found, explainer)
        print(f"explanation  {page}", flush=True)
    if failed:
        sys.exit(1)


def _write(
    output: pathlib.Path, clip: str, labelled: Labelled, explainer: Explainer
) -> pathlib.Path:
    """The page of one clip."""
    predictor = explainer.predictor
    modalities = predictor.inputs.modalities
    named = media_files.sources(clip, modalities)
    window, explanation = explainer.explain(named, labelled)
    directory = explanation_files.own_directory(output, named)
    page = explanation_page.write(
        directory, clip, labelled, explanation, window, explainer.config, modalities,
        Answers(predictor.task, predictor.classes, explanation_page.TOP),
    )  # fmt: skip
    explanation_files.write_numbers(directory, named, labelled, predictor.classes, list(modalities))
    return page


def main() -> None:
    """The command, also as `amr-explain`."""
    command.run(define, explain_clips, arguments=True)


if __name__ == "__main__":
    main()
