"""Images: whatever Pillow reads becomes one upright RGB JPEG."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from tests.tfrecords.stored import sets
from tfrecords.building import still_images
from tfrecords.building.errors import MediaError
from tfrecords.building.settings import Settings
from tfrecords.datasets import Arrays, Folders, SourceError
from tfrecords.stored import StoredImage


def decoded(path, **settings):
    """The pixels of what a record would hold of a file."""
    found = still_images.picture(path, Settings(**settings))
    image = Image.open(io.BytesIO(found.frames[0]))
    assert (image.mode, image.size) == ("RGB", (found.width, found.height))
    assert "exif" not in image.info
    assert "icc_profile" not in image.info
    return np.asarray(image)


def refused(path, **settings):
    with pytest.raises(MediaError) as error:
        still_images.picture(path, Settings(**settings))
    assert "\n" not in error.value.detail
    return error.value.reason, error.value.detail


def halves(mode="RGB", left=(200, 30, 30), right=(30, 30, 200)):
    """An image 48 pixels wide and 32 high, of two colours."""
    image = Image.new(mode, (48, 32), left)
    image.paste(right, (24, 0, 48, 32))
    return image


def colours(pixels):
    """The means of the left and of the right half, without the border between them."""
    middle = pixels.shape[1] // 2
    return pixels[:, : middle - 8].mean((0, 1)), pixels[:, middle + 8 :].mean((0, 1))


@pytest.mark.parametrize("ending", [".png", ".jpg", ".webp", ".bmp", ".gif", ".tif", ".ppm"])
def test_formats(tmp_path, ending):
    path = tmp_path / f"a{ending}"
    halves().save(path, **{"quality": 95} if ending in (".jpg", ".webp") else {})
    left, right = colours(decoded(path))
    np.testing.assert_allclose(left, (200, 30, 30), atol=6)
    np.testing.assert_allclose(right, (30, 30, 200), atol=6)


def palette():
    return halves().quantize(8)


def transparent(mode):
    """Left opaque, right transparent."""
    image = halves("RGBA", (200, 30, 30, 255), (30, 30, 200, 0))
    if mode == "P":
        image = halves().quantize(8)
        image.info["transparency"] = image.getpixel((40, 5))
        return image
    return image.convert(mode)


WHITE = (255,) * 3


@pytest.mark.parametrize(
    ("image", "left", "right"),
    [
        (halves("L", 60, 180), (60,) * 3, (180,) * 3),
        (halves("1", 0, 1), (0,) * 3, WHITE),
        (palette(), (200, 30, 30), (30, 30, 200)),
        (transparent("RGBA"), (200, 30, 30), WHITE),
        (transparent("P"), (200, 30, 30), WHITE),
        (transparent("LA"), (81,) * 3, WHITE),
        (halves("RGBA", (200, 30, 30, 128), (0, 0, 0, 255)), (227, 142, 142), (0, 0, 0)),
        (Image.fromarray(np.full((32, 48), 257 * 90, np.uint16)), (90,) * 3, (90,) * 3),
    ],
    ids=["grey", "bits", "palette", "RGBA", "transparent palette", "LA", "half", "16 bits"],
)
def test_modes(tmp_path, image, left, right):
    path = tmp_path / "a.png"
    more = {"transparency": image.info["transparency"]} if "transparency" in image.info else {}
    image.save(path, **more)
    for found, expected in zip(colours(decoded(path)), (left, right), strict=True):
        np.testing.assert_allclose(found, expected, atol=6)


def test_cmyk(tmp_path):
    halves().convert("CMYK").save(tmp_path / "a.jpg", quality=95)
    left, right = colours(decoded(tmp_path / "a.jpg"))
    np.testing.assert_allclose(left, (200, 30, 30), atol=8)
    np.testing.assert_allclose(right, (30, 30, 200), atol=8)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_upright(tmp_path, orientation):
    """Written as cameras do: turned, with the way back in EXIF."""
    upright = Image.new("RGB", (48, 32), (200, 30, 30))
    upright.paste((30, 30, 200), (24, 0, 48, 32))
    upright.paste((30, 200, 30), (0, 16, 48, 32))
    turns = still_images._UPRIGHT
    back = {6: turns[8], 8: turns[6]}.get(orientation, turns.get(orientation))
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = upright if back is None else upright.transpose(back)
    turned.save(tmp_path / "a.jpg", quality=95, exif=exif)
    pixels = decoded(tmp_path / "a.jpg")
    assert pixels.shape == (32, 48, 3)
    np.testing.assert_allclose(pixels[4:12, 4:20].mean((0, 1)), (200, 30, 30), atol=8)
    np.testing.assert_allclose(pixels[4:12, 30:44].mean((0, 1)), (30, 30, 200), atol=8)
    np.testing.assert_allclose(pixels[20:28].mean((0, 1)), (30, 200, 30), atol=8)


def test_damaged_exif_and_the_first_frame(tmp_path):
    halves().save(tmp_path / "a.jpg", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\xff\x01\x12")
    assert decoded(tmp_path / "a.jpg").shape == (32, 48, 3)
    grays = [Image.new("RGB", (48, 32), (k, k, k)) for k in (40, 200)]
    grays[0].save(tmp_path / "a.gif", save_all=True, append_images=grays[1:])
    np.testing.assert_allclose(decoded(tmp_path / "a.gif"), 40, atol=3)


def test_larger_images_are_scaled_down_and_smaller_ones_never_up(tmp_path):
    halves().resize((600, 400)).save(tmp_path / "a.png")
    assert decoded(tmp_path / "a.png", short_side=64).shape == (64, 96, 3)
    assert decoded(tmp_path / "a.png", short_side=512).shape == (400, 600, 3)
    Image.new("L", (1, 3_000)).save(tmp_path / "a.png")
    assert decoded(tmp_path / "a.png").shape == (3_000, 1, 3)
    Image.new("L", (1, 70_000)).save(tmp_path / "a.png")
    assert refused(tmp_path / "a.png") == ("too large", "a.png: 1 x 70000 pixels, after scaling")


def test_files_that_are_no_images_are_refused_with_their_reasons(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    for ending in ("png", "jpg", "webp", "bmp", "gif"):
        path = tmp_path / f"a.{ending}"
        Image.fromarray(noise).save(path)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        assert refused(path)[0] == "truncated", ending
        path.write_bytes(path.read_bytes()[:20])
        assert refused(path)[0] in ("truncated", "undecodable"), ending
    path = tmp_path / "b.png"
    assert refused(path) == ("missing", "no file b.png")
    path.touch()
    assert refused(path) == ("truncated", "b.png is empty")
    path.write_text("version https://git-lfs.github.com/spec/v1\noid 1\n")
    assert refused(path)[0] == "lfs pointer"
    path.write_text("no picture")
    reason, detail = refused(path)
    assert (reason, detail[:38]) == ("undecodable", "b.png is not a picture of JPEG, MPO, P")
    path.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n")
    assert refused(path)[0] == "undecodable"
    Image.new("F", (9, 9)).save(path, "TIFF")
    assert refused(path) == (
        "undecodable", "b.png: grey in real numbers, which have no known white"
    )  # fmt: skip
    Image.fromarray(np.full((9, 9), 1 << 20, np.int32)).save(path, "TIFF")
    assert refused(path)[1].endswith("grey of 32 bits, which have no known white")
    (tmp_path / "c.png").mkdir()
    assert refused(tmp_path / "c.png")[0] == "unreadable"


@pytest.mark.parametrize("side", [6_500, 60_000])
def test_headers_that_claim_giant_pictures_are_refused_before_decoding(tmp_path, side):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.bmp")
    content = bytearray((tmp_path / "a.bmp").read_bytes())
    content[18:26] = struct.pack("<ii", side, side)
    (tmp_path / "a.bmp").write_bytes(content)
    assert refused(tmp_path / "a.bmp")[0] == "too large"


def images(directory, *names):
    """Writes pictures of growing greys, 30 pixels high and 40 wide."""
    for k, name in enumerate(names):
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (40, 30), 20 * k).save(path)


def grays(found, name="image"):
    return {
        clip: round(np.asarray(Image.open(io.BytesIO(values[name][0]))).mean())
        for clip, values in found.items()
    }


@pytest.mark.parametrize("workers", [1, 2])
def test_lists_of_images(tmp_path, workers):
    names = [f"{k}.png" for k in range(6)]
    images(tmp_path, *names)
    (tmp_path / "bad.png").write_text("no picture")
    text = "path,label,split\n"
    text += "".join(f"{n},x,{s}\n" for n, s in zip(names, sets.splits(6), strict=True))
    text += "bad.png,x,train\n"
    info, found, failed = sets.listed(tmp_path, text, workers=workers, clips_per_shard=2)
    assert info.modalities == {"image": StoredImage(256, 30, 40)}
    assert grays(found) == {f"{k}.png": 20 * k for k in range(6)}
    assert {name: reason for name, (reason, _) in failed.items()} == {"bad.png": "undecodable"}
    for clip in sets.parsed(tmp_path / "out", info).values():
        assert clip["image"]["frames"].shape == (1,)
        assert clip["image"]["frames"][0].startswith(b"\xff\xd8")
        assert clip["image"]["size"].tolist() == [30, 40]
    shards = {p.name: p.read_bytes() for p in (tmp_path / "out").glob("*.tfrecord")}
    sets.listed(tmp_path, text, output="again", workers=3 - workers, clips_per_shard=2)
    assert shards == {p.name: p.read_bytes() for p in (tmp_path / "again").glob("*.tfrecord")}


def test_path_holds_images_where_the_flag_says_so(tmp_path):
    names = ["0.gif", "1.gif", "2.png"]
    images(tmp_path, *names)
    text = "path,label,split\n"
    text += "".join(f"{n},x,{s}\n" for n, s in zip(names, sets.splits(3), strict=True))
    info, found, _ = sets.listed(tmp_path, text, modalities=("image",))
    assert list(info.modalities) == ["image"]
    assert grays(found) == {"0.gif": 0, "1.gif": 20, "2.png": 40}


def test_two_images_a_clip_beside_a_film_and_one_that_is_missing(tmp_path):
    images(tmp_path, "0.png", "1.png", "2.png", "3.png")
    text = "front:image,back:image,label,split\n0.png,1.png,x,train\n1.png,,x,train\n"
    text += "2.png,0.png,y,validation\n3.png,none.png,y,test\n"
    info, found, failed = sets.listed(tmp_path, text, require="front")
    assert failed == {}
    assert info.splits["test"].without == {"back": 1}
    assert grays(found, "front") == {"0.png": 0, "1.png": 20, "2.png": 40, "3.png": 60}
    parsed = sets.parsed(tmp_path / "out", info)
    assert parsed["1.png"]["back"]["frames"].shape == (0,)
    assert parsed["1.png"]["back"]["size"].tolist() == [0, 0]
    _, found, failed = sets.listed(tmp_path, text, output="all")
    assert set(found) == {"0.png", "2.png"}
    assert {name: reason for name, (reason, _) in failed.items()} == {
        "1.png": "no back",
        "3.png": "missing",
    }


def test_a_video_and_an_image_have_keys_of_their_own(tmp_path, rng):
    pictures = rng.integers(0, 255, (4, 16, 24), dtype=np.uint8)
    video = rng.integers(0, 255, (4, 2, 8, 12, 3), dtype=np.uint8)
    path = sets.save(tmp_path, image=pictures, video=video, label=[0, 1, 0, 1])
    info, _found, _ = sets.built(Arrays(), path, tmp_path / "out")
    for clip in sets.parsed(tmp_path / "out", info).values():
        assert clip["image"]["size"].tolist() == [16, 24]
        assert clip["video"]["size"].tolist() == [8, 12]
        assert (len(clip["image"]["frames"]), len(clip["video"]["frames"])) == (1, 2)


@pytest.mark.parametrize("shape", [(5, 30, 40, 3), (5, 30, 40), (5, 30, 40, 1)])
def test_arrays_of_images(tmp_path, shape):
    values = np.zeros(shape, np.uint8) + np.arange(5, dtype=np.uint8).reshape(
        5, *[1] * (len(shape) - 1)
    ) * np.uint8(40)
    path = sets.save(tmp_path, label=np.arange(5) % 2, **{"photo:image": values})
    info, found, _ = sets.built(Arrays(), path, tmp_path / "out", short_side=16)
    assert info.modalities == {"photo": StoredImage(16, 16, 21)}
    assert grays(found, "photo") == {f"row-{k}": 40 * k for k in range(5)}


@pytest.mark.parametrize(
    "values",
    [np.zeros((3, 4, 4, 3)), np.zeros((3, 4, 4, 4), np.uint8), np.zeros((3, 4), np.uint8)],
)
def test_arrays_that_are_no_images_are_refused(tmp_path, values):
    path = sets.save(tmp_path, label=[0, 1, 0], image=values)
    message = r"image is \[N, H, W, 3\] or, grey, \[N, H, W\] or \[N, H, W, 1\], uint8"
    with pytest.raises(SourceError, match=message):
        Arrays().listing(path, 0.2, 0)
    path = sets.save(tmp_path, label=[0, 1, 0], image=np.zeros((3, 0, 4), np.uint8))
    with pytest.raises(SourceError, match="pictures have 1 to 35,389,440 pixels"):
        Arrays().listing(path, 0.2, 0)


def test_folders_of_images(tmp_path):
    source = tmp_path / "source"
    names = [f"{c}/{k}.png" for c in ("cat", "dog") for k in range(3)]
    images(source, *names)
    (source / "cat" / "notes.txt").write_text("of a cat")
    info, found, failed = sets.built(Folders(), source, tmp_path / "out")
    assert (list(info.modalities), failed) == (["image"], {})
    assert grays(found) == {name.removesuffix(".png"): 20 * k for k, name in enumerate(names)}
    assert "1 files are not taken, by their endings: .txt 1" in info.notes


def test_impossible_descriptions_are_refused():
    StoredImage(256, 256, 65_500).check()
    for wrong in (StoredImage("1"), StoredImage(1, -1), StoredImage(1, 1, 65_501)):
        with pytest.raises(ValueError, match="not a description of a record set"):
            wrong.check()
