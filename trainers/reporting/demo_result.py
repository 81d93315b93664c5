"""What the demo shows of one or two models' answers: HTML that stands alone."""

import base64
import dataclasses
import functools
import io
import pathlib
from collections.abc import Mapping, Sequence

import matplotlib

from amr_tf.analysis.explanation import Explanation
from tfrecords.building.errors import MediaError
from trainers.reporting import explanation_page, pages, timeline
from trainers.reporting.prediction_answers import Answers
from trainers.running.demo_files import Refused, check_length, listed, sentence, taken
from trainers.running.explainer import Explainer
from trainers.running.predictor import Labelled

matplotlib.use("Agg")
from matplotlib import pyplot as plt

_COLOURS = tuple(matplotlib.color_sequences["tab10"])  # those of the timeline


@dataclasses.dataclass(frozen=True)
class Card:
    """What one model says under one condition.

    Attributes:
        title: String, the condition, e.g. `Without sound`.
        told: String, what the model says, or why it says nothing.
        bars: Tuples of a name, a number from 0 to 1, its text, and whether it is predicted.
        values: Pairs of strings, the names and numbers of a regression.
        shares: Tuples of a modality, its share from 0 to 1, and a colour.
        figures: Tuples of a heading, a PNG image in base64, and how to read it.
        notes: Strings, what else is to be known.
    """

    title: str
    told: str
    bars: Sequence[tuple[str, float, str, bool]] = ()
    values: Sequence[tuple[str, str]] = ()
    shares: Sequence[tuple[str, float, str]] = ()
    figures: Sequence[tuple[str, str, str]] = ()
    notes: Sequence[str] = ()


def message(text: str) -> str:
    """A sentence in the place of a result.

    Args:
        text: String, the sentence.
    """
    return pages.rendered("demo_result.html.jinja", message=text, models=(), rows=())


def result(
    models: Mapping[str, Explainer],
    files: Mapping[str, str],
    without: Sequence[str] = (),
    seconds: float | None = None,
) -> str:
    """The HTML of what models say of files, and of what they say without some of them.

    Args:
        models: Mapping, a model's name -> the model; one, or two side by side.
        files: Mapping, modality -> path.
        without: Strings, modalities to leave out, which the first answer still has.
        seconds: Number, the length of windows, as for `Predictor.label`.

    Raises:
        Refused: No model can say anything of all the files.
    """
    inputs = {n: m for one in models.values() for n, m in one.predictor.inputs.modalities.items()}
    check_length(files, {n: inputs[n] for n in files})
    rows = [[_card(model, tuple(files.items()), (), seconds) for model in models.values()]]
    if not any(card.shares or card.figures for card in rows[0]):
        raise Refused(rows[0][0].told)
    if without:
        left = tuple((name, path) for name, path in files.items() if name not in without)
        second = [_card(model, left, tuple(without), seconds) for model in models.values()]
        # of one model side by side, of two models below each other
        rows = [rows[0] + second] if len(models) == 1 else [*rows, second]
    told = [(name, _about(model)) for name, model in models.items()]
    return pages.rendered("demo_result.html.jinja", message="", models=told, rows=rows)


def _about(model: Explainer) -> str:
    config = model.config
    return f"{config.data_name}, {config.method}, AMR weight {config.amr_text}"


@functools.lru_cache(maxsize=16)  # a box that is ticked leaves the first answer as it is
def _card(
    model: Explainer,
    files: tuple[tuple[str, str], ...],
    without: tuple[str, ...],
    seconds: float | None,
) -> Card:
    """What a model says of files."""
    modalities = model.predictor.inputs.modalities
    words = {name: modality.called(name) for name, modality in modalities.items()}
    named = {name: path for name, path in files if name in modalities}
    left_out = [words[name] for name in without if name in modalities]
    title = f"Without {listed(left_out)}" if left_out else "With what was given"
    if not named:
        return Card(title, f"This model has nothing to go by: it takes {taken(modalities)}.")
    (found,) = model.predictor.label_files([named], seconds)
    if isinstance(found, MediaError):
        return Card(title, sentence(found, named, modalities))
    gone = set(found.mean.missing[0])
    if not left_out:
        title = f"With {listed([words[n] for n in named if n not in gone])}"
    window, explanation = model.explain(named, found)
    return dataclasses.replace(
        _answer(model, title, found),
        figures=_figures(model, found, window, explanation),
        notes=_notes(model, found, window, named, without),
        # of one modality it is all, whatever the model
        **({} if len(words) - len(gone) > 1 else {"shares": ()}),
    )


def _answer(model: Explainer, title: str, labelled: Labelled) -> Card:
    predictor = model.predictor
    answers = Answers(predictor.task, predictor.classes, explanation_page.TOP)
    numbers, shares = labelled.mean.probabilities[0], labelled.mean.shares[0]
    said = answers.said(numbers)
    predicted = {
        pair["label"] for pair in said.fields.get("labels", said.fields.get("top", [])[:1])
    }
    bars = [
        (pair["label"], pair["probability"], f"{100 * pair['probability']:.1f} %",
         pair["label"] in predicted)
        for pair in said.fields.get("top", ())
    ]  # fmt: skip
    return Card(
        title,
        answers.sentence(numbers),
        bars,
        () if bars else said.lines,
        [
            (modality.called(name), float(share), matplotlib.colors.to_hex(colour))
            for (name, modality), share, colour in zip(
                predictor.inputs.modalities.items(), shares, _COLOURS * 9, strict=False
            )
        ],
    )


def _figures(
    model: Explainer, labelled: Labelled, window: int, explanation: Explanation
) -> list[tuple[str, str, str]]:
    """Labels and shares over time, and each modality that is there, with its attributions."""
    predictor = model.predictor
    found = []
    if len(labelled.windows) > 1:
        answers = Answers(predictor.task, predictor.classes, explanation_page.TOP)
        names = [m.called(name) for name, m in predictor.inputs.modalities.items()]
        found.append(("Over time", _png(timeline.draw(labelled, answers, names)), ""))
    for name, modality in predictor.inputs.modalities.items():
        if name not in labelled.missing[window]:
            panel = modality.panel(explanation.features[name][0], explanation.attributions[name][0])
            heading = f"{modality.called(name).capitalize()} and attributions"
            found.append((heading, _png(explanation_page.draw(panel)), panel.note))
    return found


def _notes(
    model: Explainer,
    labelled: Labelled,
    window: int,
    named: Mapping[str, str],
    without: Sequence[str],
) -> list[str]:
    notes = []
    for name in labelled.mean.missing[0]:
        word = model.predictor.inputs.modalities[name].called(name)
        if name in named:
            file = pathlib.PurePath(named[name]).name
            notes.append(f"{file} gave no {word}: the model answers without it.")
        elif name not in without:
            notes.append(f"No {word} was given: the model answers without it.")
    if len(labelled.windows) > 1:
        shown = labelled.windows[window]
        notes.append(
            f"The answer is the mean of {len(labelled.windows)} windows; the pictures below are of "
            f"the one from {shown.start:.1f} to {shown.end:.1f} s."
        )
    if labelled.unread:
        count = len(labelled.unread)
        notes.append(f"{count} of {count + len(labelled.windows)} windows could not be read.")
    return notes


def _png(figure: plt.Figure) -> str:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=90)
    plt.close(figure)
    return base64.b64encode(file.getvalue()).decode()
