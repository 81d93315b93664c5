"""What a clip on a command line is read from."""

import pytest

from amr_tf.modalities import AudioConfig, FeaturesConfig, ImageConfig, TextConfig, VideoConfig
from trainers.running.media_files import sources

POSTS = {"image": ImageConfig(), "text": TextConfig(("a",))}


@pytest.mark.parametrize(
    ("argument", "found"),
    [
        ("photo.png", {"image": "photo.png"}),  # a path is no text
        ("text=Hello, world", {"text": "Hello, world"}),
        ("image=a.png,text=Hello, world", {"image": "a.png", "text": "Hello, world"}),
        ("text=x=1, y=2,image=b,c.png", {"text": "x=1, y=2", "image": "b,c.png"}),
        ("text=http://a//b", {"text": "http://a//b"}),
        ("text=", {"text": ""}),
        ("a,text=b.png", {"image": "a,text=b.png"}),
        ("words.txt", {"image": "words.txt", "text": "words.txt"}),
    ],
)
def test_files_and_texts(argument, found):
    assert sources(argument, POSTS) == found


def test_one_file_holds_all_that_files_can_hold():
    inputs = {"audio": AudioConfig(), "video": VideoConfig(), "pose": FeaturesConfig((2,))}
    assert sources("=a,[b].mp4", inputs) == dict.fromkeys(inputs, "=a,[b].mp4")
    assert sources("some words", {"text": TextConfig(("a",))}) == {"text": "some words"}


def test_a_modality_that_is_named_twice_is_refused():
    with pytest.raises(ValueError, match="a modality is named twice"):
        sources("image=a.png,image=b.png", POSTS)
