"""Refuses values that tell too little: sound that is too quiet, pictures that hardly move."""

import dataclasses
from collections.abc import Mapping, Sequence

from tfrecords import stored
from tfrecords.building.decoded import Clip
from tfrecords.building.errors import MediaError


def judged(
    clip: Clip, kinds: Mapping[str, str], least: Mapping[str, float], require: Sequence[str]
) -> Clip | MediaError:
    """Leaves out the modalities of a clip that tell too little.

    Args:
        clip: Clip, the decoded clip.
        kinds: Mapping, modality -> its kind.
        least: Mapping, kind -> the least worth that is accepted, see `Stored.worth`.
        require: Strings, the modalities without which the clip is refused; with none, any one is
            enough.

    Returns:
        The clip, or why it is refused.
    """
    values = dict(clip.values)
    for name, value in clip.values.items():
        reader = stored.find(kinds[name])
        asked = least.get(kinds[name])
        if asked is None or (worth := reader.worth(value)) >= asked:
            continue
        del values[name]
        if name in require or not values:
            return MediaError(reader.blank, f"{name} has {worth:.1f}, {asked:g} is required")
    return dataclasses.replace(clip, values=values)
