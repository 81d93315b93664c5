"""Is the ratio of attribution a dial of robustness? The study, whole: `python -m studies.frontier`.

Reads real clips from records, caches them and their principal components as arrays, makes all runs
that are not finished (each a file, the most important first), and writes docs/frontier.md with its
tables, figures and CSV. The same command goes on where it was interrupted. A set that is not given
is left out.

Decided upon before the runs. All comparisons below are differences between runs of the same seed
(the same initial weights, the same order of clips), tested by paired t-tests, two-sided, and
corrected for their number all together (Holm); all are reported, those without runs count in the
number. AMR has the weight `auto`. The last epoch is measured, on test clips. "Sound" and "picture"
are the accuracy under corruption of either, the mean of five severities, over which and over the
corruptions of the evaluation suite the test clips take turns; "worst" is the lower of the two.

1. The ratio is a dial of robustness: naive fusion at 1:4 against 4:1 (audio : video) gains under
   sound, loses under picture. Also: what that costs of clean accuracy. GRID words (mouth; whole
   picture) and spoken and written digits, 10 seeds. To check: GRID with noise in training, and
   synthetic clips, 5 seeds.
2. Even AMR against none, naive fusion: clean, sound, picture, worst, one modality missing.
3. The dial works on modality dropout, MMPareto and DGL: 1:4 against 4:1, sound and picture.
4. The dial works end to end, on clips: 1:4 against 4:1, sound and picture.
5. Even Shapley shares move behaviour in conflicts where even Grad⊙Input shares do not; and worst.
6. Scope `all` or `weaker` against `head`, even: linear probes of both encoders, and clean accuracy.
7. Naive fusion with even AMR against modality dropout, MMPareto and DGL without: clean and worst.

What else the page shows is exploration. Not blind: an earlier, rougher experiment had suggested the
first claim, and while times were measured, test numbers of some runs were seen: naive fusion on
GRID words (mouth) without AMR and at 1:4, 1:2 and 1:1, single seeds of others. Nothing was chosen
by them; the recipes come from validation clips.
"""

import pathlib
import sys

from absl import app, flags

from tfrecords import quiet  # noqa: F401  isort: skip

from studies import runs
from studies.frontier import data, page, plan, train

flags.DEFINE_string("words", "data/grid_words", "Records of words cut from GRID, the mouth.")
flags.DEFINE_string("frame", "data/grid_words_frame", "Records of the words, the whole picture.")
flags.DEFINE_string("digits", "data/avmnist_hard", "Records of spoken and written digits.")
flags.DEFINE_string("views", "digits_six_views.npz", "Arrays of digits in six kinds of numbers.")
flags.DEFINE_bool("synthetic", True, "Whether to render the synthetic clips, level large, too.")
flags.DEFINE_string("work", "runs/frontier", "Directory of arrays and finished runs.")
flags.DEFINE_string("docs", "docs", "Directory to write frontier.md and frontier/ to.")
flags.DEFINE_multi_enum("only", [], plan.PARTS, "A part of the runs to make; may be repeated.")
flags.DEFINE_integer("jobs", 2, "Processes; each makes many runs.", lower_bound=1)

_TIMEOUT = 1_200.0  # seconds a run may take


def main(_: list[str]) -> None:
    """The command."""
    values = flags.FLAGS
    work, docs = pathlib.Path(values.work), pathlib.Path(values.docs)
    given = {name: getattr(values, name) for name in ("words", "frame", "digits", "views")}
    for name, source in given.items():
        if source and not pathlib.Path(source).exists():
            print(f"--{name}={source} does not exist: the set is left out", file=sys.stderr)
            given[name] = ""
    given[data.SYNTHETIC] = data.RENDERED if values.synthetic else ""
    names = data.make(work, given)
    modalities = {name: data.modalities(work, name) for name in names}
    waves = plan.waves(modalities, values.only or plan.PARTS)
    failed = runs.make(work, waves, train.result, train.in_worker, values.jobs, _TIMEOUT)
    page.write(work, docs, modalities)
    print(f"{docs / 'frontier.md'}, {docs / 'frontier'}/")
    if failed:
        sys.exit("error: some runs failed; the same command tries them again\n" + "\n".join(failed))


if __name__ == "__main__":
    app.run(main)
