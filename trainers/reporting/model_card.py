"""MODEL_CARD.md: what a trained model is, what it learnt from, what it does and can't do."""

import json
import pathlib
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from amr_tf.analysis.metrics import dominance_title, format_dominance
from amr_tf.modalities import Modality
from amr_tf.tasks import Task, find_task
from tfrecords.datasets import DATASETS, About
from tfrecords.description import SPLITS, DatasetInfo
from trainers.config import encoder_flags
from trainers.config.run_config import Config

FILE = "MODEL_CARD.md"

_SHARES = """\
A share says how much of the log-odds of the top class (target `probability`), or of its logit
(target `logit`), passes through a modality, to first order: Grad⊙Input at the encoders' outputs,
in the L2 norm, a clip's shares adding up to 1. The dominance is their mean over the clips that have
all modalities. It does not say how informative a modality is, how accurate the model would be
without it, or which part of a modality decided. It depends on the target: one vector
added to all classes' rows of a linear head changes no prediction, and changes the shares by
`logit`."""


_SHARES_OF_OUTPUTS = """\
A share says how much of the output (the log-odds of the top label, or the mean of the standardised
numbers) passes through a modality, to first order: Grad⊙Input at the encoders' outputs, in the L2
norm, a clip's shares adding up to 1. The dominance is their mean over the clips that have all
modalities. It does not say how informative a modality is, how good the model would be without it,
or which part of a modality decided."""


def write(config: Config, inputs: Mapping[str, Modality], results: dict[str, Any]) -> pathlib.Path:
    """Writes `MODEL_CARD.md` into the run's directory.

    Args:
        config: Config, the run's.
        inputs: Mapping, modality -> the model's input.
        results: Dictionary, the content of `results.json`.

    Returns:
        The path of the file.
    """
    model_dir = pathlib.Path(config.model_dir)
    about = json.loads((model_dir / "config.json").read_text())
    classes = (model_dir / "classes.txt").read_text().splitlines()
    try:
        info = DatasetInfo.load(config.data_dir)
    except (OSError, ValueError):  # gone since
        info = None
    path = model_dir / FILE
    path.write_text(card(config, inputs, results, about, classes, info), "utf-8")
    return path


def card(
    config: Config,
    inputs: Mapping[str, Modality],
    results: dict[str, Any],
    about: dict[str, Any],
    classes: Sequence[str],
    info: DatasetInfo | None,
) -> str:
    """The card as Markdown.

    Args:
        config: Config, the run's.
        inputs: Mapping, modality -> the model's input.
        results: Dictionary, the content of `results.json`.
        about: Dictionary, the content of `config.json`, with `versions` and `command`.
        classes: Sequence of strings, the class names by id.
        info: DatasetInfo, the records' description; None if they are gone.

    Returns:
        The text.
    """
    several, task = len(config.model_modalities) > 1, find_task(results["task"])
    weight = f"AMR weight {config.amr_text}"
    title = f"{config.data_name}, {config.method}" + (f", {weight}" if several else "")
    parts = [
        f"# Model card: {title}",
        f"{_kind(task, config, len(classes))}, trained by `trainers.fit`.",
        "## Model",
        *_model(config, inputs, results, about),
        "## Data",
        *_data(config, classes, info, task),
        "## Results",
        *_results(config, results, task),
        *(["## Shares", _SHARES if task.one_class else _SHARES_OF_OUTPUTS] if several else []),
        "## Intended use and limits",
        *_limits(config, task),
        "## Use",
        *_use(inputs),
    ]
    return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    """Text as Markdown that shows it as it is, on one line.

    Args:
        text: String, any text of a user.

    Returns:
        The Markdown.
    """
    line = " ".join(text.split())
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    # "://" and "@" would make links
    return re.sub(r"([\\`*_\[\]|~#$@!]|:(?=//))", r"\\\1", line)


def _model(
    config: Config, inputs: Mapping[str, Modality], results: dict[str, Any], about: dict[str, Any]
) -> list[str]:
    encoders = ", ".join(f"{name} `{encoder_flags.named(config, name)[0]}`" for name in inputs)
    lines = [f"Encoders: {encoders}."]
    if len(config.model_modalities) > 1:
        lines.append(f"Fusion head: `{config.fusion}`.")
    options = f" ({_code(config.method_options)})" if config.method_options else ""
    lines.append(f"Method: `{config.method}`{options}.")
    if config.effective_amr_weight:
        targets = find_task(results["task"]).targets
        target = config.amr_target if config.amr_target in targets else targets[0]
        lines.append(
            f"Attribution regularisation (AMR, arXiv 2404.02359): weight {config.amr_text}, "
            f"ratio {_code(config.amr_ratio or 'equal')}, target `{target}`, measure "
            f"`{config.amr_measure}`, scope `{config.amr_scope}`."
        )
        if "amr_ratio" in results:
            lines.append(f"Ratio that training found: {format_dominance(results['amr_ratio'])}.")
        if "amr_multipliers" in results:
            found = results["amr_multipliers"].items()
            text = ", ".join(f"{name} {value:.3f}" for name, value in found)
            lines.append(f"Multipliers of the ratio: {text}.")
        if "amr_ratio_missed" in results:
            lines.append(f"The shares of training clips miss the ratio by {missed_by(results)}.")
    else:
        lines.append("Attribution regularisation (AMR): none.")
    lines += [_input(name, modality) for name, modality in inputs.items()]
    if results["epochs"]:
        lines.append(
            f"Training: {results['epochs']} epochs, `{config.optimizer}`, learning rate "
            f"{config.learning_rate:g} ({config.schedule}), batch {config.batch_size}, recipe "
            f"`{config.recipe}`, preset `{config.preset}`, seed {config.seed}."
        )
        how = f"by its {find_task(results['task']).selects} on validation"
        if "amr_ratio_missed" in results:
            how = "which came nearest to the ratio; none held it"
        elif "amr_multipliers" in results:
            how += ", among those that held the ratio"
        lines.append(f"Selected: epoch {results['selected_epoch']}, {how}.")
    else:
        lines.append("Training: none of its own; its encoders are those of unimodal runs.")
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    lines.append(f"Versions: {_code(versions)}.")
    return [_list(lines), "Command:", _fenced(_command(about["command"]))]


def _input(name: str, modality: Modality) -> str:
    """What the model gets of a modality, in a sentence."""
    return f"Takes {modality.called(name)}: {modality.told}."


def _command(argv: Sequence[str]) -> str:
    """What was typed: `sys.argv` begins with the module's file."""
    program = pathlib.Path(argv[0])
    typed = [argv[0]]
    if program.parent.name == "trainers":
        typed = ["python", "-m", f"trainers.{program.stem}"]
    return shlex.join([*typed, *argv[1:]])


def _data(
    config: Config, classes: Sequence[str], info: DatasetInfo | None, task: Task
) -> list[str]:
    about = _about(config)
    parts = [about.what, f"Licence: {about.licence}"]
    if info is None:
        parts.append("The records were gone when this card was written.")
    else:
        rows = [
            (
                name,
                f"{split.clips:,}",
                *(f"{split.without.get(m, 0):,}" for m in info.modalities),
                f"{split.failed:,}",
            )
            for name, split in ((name, info.splits[name]) for name in SPLITS)
        ]
        lacking = [f"without {m}" for m in info.modalities]
        header = ("split", "clips", *lacking, "could not be read")
        parts.append(_table(header, rows))
        if info.notes:
            parts.append(f"Note: {escaped(info.notes)}.")
    names = "; ".join(escaped(name) for name in classes)
    noun = "classes, by id from 0" if task.probabilistic else "numbers"
    parts.append(f"The {len(classes)} {noun}: {names}.")
    return parts


def _results(config: Config, results: dict[str, Any], task: Task) -> list[str]:
    over = {"mAP": f", over {results.get('mAP_classes')} classes"}
    rows = [
        (
            f"{metric.name}{over.get(metric.name, '')}",
            metric.shown(results[metric.name]) + (" %" if metric.percent else ""),
        )
        for metric in task.metrics
    ]
    rows.append(
        (
            "cross-entropy" if task.probabilistic else "squared error, standardised",
            f"{results['loss']:.4f}",
        )
    )
    for target, shares in (results["dominance_by_target"] or {}).items():
        names = dominance_title(config.model_modalities)
        rows.append((f"dominance, {names}, by {target}", format_dominance(shares)))
    split = results["split"]
    parts = [
        f"On the {split} split, {results['samples']:,} clips, evaluated once, at the end, for the "
        "selected checkpoint. One run with one seed: another differs, on small sets by points.",
        _table((f"{split} split", "value"), rows),
    ]
    if results.get("corrupt_skipped"):
        parts.append(f"{results['corrupt_skipped']:,} corrupt records were skipped.")
    return parts


def _limits(config: Config, task: Task) -> list[str]:
    lines = [
        "For research on how multimodal models use their modalities.",
        _about(config).limits,
        "Not evaluated on any other data, nor for fairness among groups of people, nor against "
        "inputs made to mislead it.",
        _ANSWERS[task.one_class, task.probabilistic],
    ]
    if len(config.model_modalities) > 1:
        lines.append("A clip that lacks a modality gets an answer from what it has.")
    return [_list(lines)]


# (one class a clip, probabilities) -> what follows from how the model answers
_ANSWERS = {
    (True, True): "It always answers with one of its classes, even for a clip of another; its "
    "probabilities are not calibrated.",
    (False, True): "It knows no labels but its own; its probabilities are not calibrated, and the "
    "thresholds above which it names a label are those of the validation clips.",
    (False, False): "It answers with numbers of the range that it was trained on, for anything; it "
    "does not say how sure it is.",
}


def _kind(task: Task, config: Config, outputs: int) -> str:
    """What the model is, in words."""
    taken = " and ".join(config.model_modalities)
    if not task.probabilistic:
        return f"A regression of {outputs} number{'s' * (outputs > 1)} on {taken}"
    if task.one_class:
        return f"A classifier of {taken} into {outputs} classes"
    return f"A classifier of {taken} by {outputs} labels, of which a clip may have any number"


def _use(inputs: Mapping[str, Modality]) -> list[str]:
    arguments = ", ".join(
        f"{name}=tf.constant({modality.example_code})" for name, modality in inputs.items()
    )
    code = (
        f'served = tf.saved_model.load("EXPORT/1").signatures["serving_media"]\nserved({arguments})'
    )
    files = {modality.example_name for modality in inputs.values()}
    named = ",".join(f"{name}={modality.example_name}" for name, modality in inputs.items())
    clip = files.pop() if len(files) == 1 else named
    return [
        _fenced(f"python -m trainers.predict --export_dir=EXPORT {clip} ..."),
        "or, in any process with TensorFlow and without this project,",
        _fenced(code, "python"),
        "`assets/model.json` says what a clip is, and has the constants of the features.",
    ]


def _about(config: Config) -> About:
    """What is known of the data set; little of one that is not registered in this process."""
    return DATASETS[config.dataset].about if config.dataset in DATASETS else About()


def missed_by(results: Mapping[str, Any]) -> str:
    """The distance of training clips' shares from a ratio that was missed, as `12 points`."""
    return f"{100 * results['amr_ratio_missed']:.0f} points"


def _list(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _code(text: str) -> str:
    """Code within a line."""
    fence = _fence(text, 1)
    return f"{fence}{' '.join(text.split())}{fence}"


def _fenced(text: str, language: str = "") -> str:
    """A block of code."""
    fence = _fence(text, 3)
    return f"{fence}{language}\n{text}\n{fence}"


def _fence(text: str, least: int) -> str:
    """More backticks than the text has in a row."""
    return "`" * max([least, *(1 + len(run) for run in re.findall("`+", text))])
