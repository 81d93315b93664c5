"""VGGSounder: all that people hear and see in VGGSound's test clips (extra `[vggsounder]`).

About half of VGGSound's test clips hold more than their one label says, or it can't be seen. The
package `vggsounder` (Python 3.11 and later) lists per clip its labels, each with a modality `A`
(audible), `V` (visible) or `AV`, and whether there is background music, a static image, a voice
over. The published label stays a clip's first one. Where VGGSounder does not confirm it, it is
marked as neither audible nor visible: labels with a mark are the ground truth of VGGSounder.

Reference: Zverev et al., VGGSounder: Audio-Visual Evaluations for Foundation Models, 2025.
"""

import dataclasses
import importlib.metadata
import itertools
from typing import Any

from tfrecords.datasets.listing import Annotation, Listed, Listing, SourceError
from tfrecords.tasks import MULTILABEL


def version() -> str:
    """The package's version, which decides the labels.

    Raises:
        SourceError: The package is not installed.
    """
    try:
        return importlib.metadata.version("vggsounder")
    except importlib.metadata.PackageNotFoundError:
        raise SourceError(
            "--vggsounder needs the package of that name and Python 3.11 or later: "
            "pip install 'amr-tf[vggsounder]', or build without"
        ) from None


def annotate(listing: Listing) -> Listing:
    """Gives the test clips of VGGSound their further labels.

    Args:
        listing: Listing of VGGSound.

    Returns:
        The same clips, those that VGGSounder knows with all labels and an annotation. Where clips
        have several labels, those are the ones that it confirms.

    Raises:
        SourceError: The package is not installed, or has labels that VGGSound does not have.
    """
    named = f"vggsounder {version()}"
    import vggsounder

    # Without the argument it would leave out clips with background music.
    found = vggsounder.VGGSounder(background_music=None)
    ids = {name: index for index, name in enumerate(listing.classes)}
    tests = [clip for clip in listing.clips if clip.split == "test"]
    try:
        annotated = {
            clip.media_id: _annotated(clip, found[clip.media_id], ids)
            for clip in tests
            if clip.media_id in found
        }
    except KeyError as error:
        raise SourceError(f"{named} has the label {error}, which VGGSound does not have") from error
    unconfirmed = sum(
        not (clip.annotation.audible[0] or clip.annotation.visible[0])
        for clip in annotated.values()
    )
    if listing.task == MULTILABEL:
        annotated = {name: _confirmed(clip) for name, clip in annotated.items()}
    note = (
        f"{named} annotates {len(annotated):,} of {len(tests):,} test clips, and does not confirm "
        f"the published label of {unconfirmed:,}"
    )
    return dataclasses.replace(
        listing,
        clips=tuple(annotated.get(clip.media_id, clip) for clip in listing.clips),
        notes="; ".join(filter(None, (listing.notes, note))),
    )


def _confirmed(clip: Listed) -> Listed:
    """A clip with the labels that can be heard or seen: VGGSounder's ground truth."""
    marks = clip.annotation
    kept = [heard or seen for heard, seen in zip(marks.audible, marks.visible, strict=True)]
    found = (marks.audible, marks.visible, clip.labels)
    audible, visible, labels = (tuple(itertools.compress(each, kept)) for each in found)
    annotation = dataclasses.replace(marks, audible=audible, visible=visible)
    return dataclasses.replace(clip, labels=labels, annotation=annotation)


def _annotated(clip: Listed, data: Any, ids: dict[str, int]) -> Listed:
    """A clip with its labels: the published one, then the others by their ids."""
    modalities = {
        ids[label]: modality for label, modality in zip(data.labels, data.modalities, strict=True)
    }
    labels = clip.labels + tuple(sorted(modalities.keys() - set(clip.labels)))
    marks = [modalities.get(label, "") for label in labels]
    annotation = Annotation(
        audible=tuple("A" in mark for mark in marks),
        visible=tuple("V" in mark for mark in marks),
        background_music=data.meta_labels["background_music"],
        static_image=data.meta_labels["static_image"],
        voice_over=data.meta_labels["voice_over"],
    )
    return dataclasses.replace(clip, labels=labels, annotation=annotation)
