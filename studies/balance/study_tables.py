"""The tables of the study, in Markdown."""

from studies.balance import study_plan
from studies.balance.estimates import CONDITIONS, POOLED, ROWS, Results, effects
from studies.balance.study_plan import StudyRun
from studies.page import markdown, plain, signed

VARIANT_TITLES = {
    "": "no AMR",
    "probability": "AMR, head only, batch mean",
    "all_variables": "AMR, all variables",
    "per_sample": "AMR, per sample",
    "logit": "AMR, logit target",
}


def levels(results: Results) -> str:
    """The table of the levels: unimodal and naive models on each."""
    rows = []
    for level in study_plan.LEVELS:
        naive = StudyRun(level)
        alone = [plain(results.mean(StudyRun(level, m), "accuracy")) for m in study_plan.MODALITIES]
        numbers = ("accuracy", "mAP", "share_probability", "behaviour")
        rows.append([level, *alone, *(plain(results.mean(naive, n)) for n in numbers)])
    head = ["level", "audio only", "video only", "naive", "naive, mAP", "audio share", "behaviour"]
    return markdown(head, rows)


def where(results: Results) -> str:
    """The table of AMR's effect on accuracy, by level, method and condition."""
    found = effects(results)
    rows = []
    for level in study_plan.LEVELS:
        for method in ROWS:
            cells = []
            for condition in CONDITIONS:
                difference, stands = found.get((condition, level, method), (None, False))
                cells.append(signed(difference) + (" \\*" if stands else ""))
            rows.append([level, method, *cells])
    return markdown(["level", "method", *CONDITIONS.values()], rows)


def balance(results: Results) -> str:
    """The table of AMR's effects on shares and behaviour."""
    rows = []
    for level in study_plan.LEVELS:
        for method in study_plan.COMPARED_METHODS:
            run = StudyRun(level, method)
            cells = [
                plain(results.mean(r, m))
                for m in ("share_probability", "behaviour")
                for r in (run, run.but(amr="probability"))
            ]
            change = results.difference(run.but(amr="probability"), run, "behaviour")
            rows.append([level, method, *cells, signed(change)])
        rows.append([level, POOLED, *[""] * 4, signed(results.pooled(level, "behaviour"))])
    head = ["level", "method", "audio share", "with AMR", "behaviour", "with AMR", "change"]
    return markdown(head, rows)


def logit(results: Results) -> str:
    """The table of the two targets: shares, the part common to the classes, behaviour."""
    numbers = ("share_logit", "share_centred", "shift", "share_probability", "behaviour",
               "accuracy", "without_audio", "common_audio", "common_video")  # fmt: skip
    rows = []
    for level in study_plan.LEVELS:
        for amr in ("", "logit", "probability"):
            run = StudyRun(level, amr=amr)
            cells = [plain(results.mean(run, n)) for n in numbers]
            rows.append([level, amr or "no AMR", *cells])
    head = ["level", "AMR target", "logit share", "logit share, centred", "by the shift alone",
            "probability share", "behaviour", "accuracy", "without sound", "common part, audio",
            "common part, video"]  # fmt: skip
    return markdown(head, rows)


def pushed(results: Results) -> str:
    """The table of weight decay and dropout, without AMR, at the moderate level."""
    numbers = ("share_probability", "share_logit", "behaviour", "accuracy", "probe_audio",
               "probe_video")  # fmt: skip
    kinds = {"none": StudyRun("moderate")}
    kinds |= {
        f"weight decay {d:g}": StudyRun("moderate", weight_decay=d) for d in study_plan.DECAYS
    }
    kinds |= {
        f"dropout {r:g}": StudyRun("moderate", "dropout", rate=r)
        for r in sorted({*study_plan.RATES, 0.5})
    }
    rows = []
    for name, run in kinds.items():
        change = [results.difference(run, kinds["none"], m) for m in numbers[:3:2]]
        cells = [plain(results.mean(run, n)) for n in numbers]
        rows.append([name, *cells, *(["", ""] if name == "none" else map(signed, change))])
    head = ["", "audio share", "audio share (logit)", "behaviour", "accuracy", "probe audio",
            "probe video", "change of share", "change of behaviour"]  # fmt: skip
    return markdown(head, rows)


def variants(results: Results) -> str:
    """The table of variants of the regulariser at the moderate level.

    Changes are against the head only and the batch mean.
    """
    numbers = ("share_probability", "behaviour", "accuracy", "audio_corrupted", "video_corrupted",
               "probe_audio", "probe_video")  # fmt: skip
    rows = []
    for amr in ("", "probability", "all_variables", "per_sample"):
        run = StudyRun("moderate", amr=amr)
        change = results.difference(run, run.but(amr="probability"), "accuracy")
        cells = [plain(results.mean(run, n)) for n in numbers]
        rows.append([VARIANT_TITLES[amr], *cells, "" if amr == "probability" else signed(change)])
    head = ["", "audio share", "behaviour", "accuracy", "sound corrupted", "picture corrupted",
            "probe audio", "probe video", "accuracy against head only"]  # fmt: skip
    return markdown(head, rows)


ALL = {
    "levels": levels, "where": where, "balance": balance, "logit": logit, "pushed": pushed,
    "variants": variants,
}  # fmt: skip
