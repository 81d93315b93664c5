"""Decodes one picture: whatever Pillow reads safely -> RGB, upright, scaled down, one JPEG file.

Grey and palettes become RGB; 16 bits a channel become 8; what is transparent lies on white, as on a
page; CMYK is converted without a colour profile. Of moving pictures the first frame is taken.
"""

import contextlib
import pathlib
import warnings

import numpy as np
from PIL import Image

from tfrecords.building.container import check_file
from tfrecords.building.decoded import Pictures
from tfrecords.building.errors import MediaError
from tfrecords.building.pictures import jpeg
from tfrecords.building.settings import Settings

# Not all that Pillow knows: EPS, for one, would start another program.
_FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "JPEG2000", "AVIF")
_ORIENTATION = 0x0112  # of EXIF: how the camera was held
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_WHITE = (255, 255, 255, 255)
MAX_SIDE = 65_500  # pixels: longer ones a JPEG file cannot have


def picture(path: pathlib.Path, settings: Settings) -> Pictures:
    """Decodes a picture.

    Args:
        path: Path of the file.
        settings: Settings, the sizes and limits.

    Returns:
        One frame.

    Raises:
        MediaError: There is no picture, it is too large, or it cannot be decoded.
    """
    check_file(path)
    try:
        # Pillow warns of large pictures, of odd palettes and of odd EXIF
        with warnings.catch_warnings(), path.open("rb") as file:
            warnings.simplefilter("ignore")
            Image.init()
            known = [name for name in _FORMATS if name in Image.OPEN]
            with Image.open(file, formats=known) as image:
                if image.width * image.height > settings.max_pixels:
                    size = f"{image.width} x {image.height}"
                    raise MediaError("too large", f"{path.name}: {size} pixels")
                turned = 1
                with contextlib.suppress(Exception):  # damaged EXIF is no reason to do without
                    turned = image.getexif().get(_ORIENTATION, 1)
                return encoded(_rgb(image), settings, path.name, turned)
    except MediaError:
        raise
    except Image.DecompressionBombError as error:
        raise MediaError("too large", f"{path.name}: {error}") from error
    except Image.UnidentifiedImageError as error:
        detail = f"{path.name} is not a picture of {', '.join(_FORMATS)}"
        raise MediaError("truncated" if _is_cut(path) else "undecodable", detail) from error
    except Exception as error:  # of a damaged file, decoders raise whatever they run into
        cut = "truncated" in str(error) or _is_cut(path)
        detail = f"{path.name}: {str(error) or type(error).__name__}"
        raise MediaError("truncated" if cut else "undecodable", detail) from error


def encoded(image: Image.Image, settings: Settings, where: str, orientation: int = 1) -> Pictures:
    """Scales a picture down, like the frames of a video, and encodes it.

    Args:
        image: Image in RGB.
        settings: Settings, the size of the shorter side, and JPEG's quality.
        where: String, the name of the picture, for messages.
        orientation: Integer, the orientation of the camera, as EXIF numbers it.

    Raises:
        MediaError: It is too long for a JPEG file.
    """
    scale = min(1.0, settings.short_side / min(image.size))
    size = tuple(max(1, round(side * scale)) for side in image.size)
    if max(size) > MAX_SIDE:
        raise MediaError("too large", f"{where}: {size[0]} x {size[1]} pixels, after scaling")
    if size != image.size:
        image = image.resize(size, Image.Resampling.BICUBIC)
    if orientation in _UPRIGHT:
        image = image.transpose(_UPRIGHT[orientation])
    # of an array, since Pillow would copy the file's EXIF and colour profile
    file = jpeg(np.asarray(image), settings.jpeg_quality)
    return Pictures((file,), (0,), image.height, image.width)


def _rgb(image: Image.Image) -> Image.Image:
    """Converts any picture to RGB.

    Raises:
        ValueError: Its numbers have no known range.
    """
    image.load()
    if image.mode.startswith("I"):  # 16 bits, or of 16 bits as older versions of Pillow read them
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65_535:
            raise ValueError("grey of 32 bits, which have no known white")
        image = Image.fromarray(np.rint(values / 257).astype(np.uint8))
    if image.mode == "F":
        raise ValueError("grey in real numbers, which have no known white")
    if image.mode in ("La", "RGBa"):  # colours that are multiplied by the opacity
        image = image.convert(image.mode.replace("a", "A"))
    if image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info:
        opaque = Image.new("RGBA", image.size, _WHITE)
        image = Image.alpha_composite(opaque, image.convert("RGBA"))
    return image.convert("RGB")


def _is_cut(path: pathlib.Path) -> bool:
    """Whether a file that cannot be read ends before its format does."""
    content = path.read_bytes()
    if content.startswith(b"\x89PNG"):
        return b"IEND" not in content[-12:]
    if content.startswith(b"\xff\xd8"):
        return b"\xff\xd9" not in content[-2:]
    if content.startswith(b"RIFF"):
        return int.from_bytes(content[4:8], "little") > len(content) - 8
    return False
