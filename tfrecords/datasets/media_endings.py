"""Which file names are media, by their endings in lower case."""

_SOUND = (
    ".aac .ac3 .aif .aifc .aiff .amr .ape .au .caf .flac .m4a .mp2 .mp3 .oga .ogg .opus .w64 .wav "
    ".wma .wv"
)
_MOVING = (
    ".3gp .asf .avi .dv .f4v .flv .gif .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .mxf .nut .ogv "
    ".rm .ts .vob .webm .wmv"
)
SOUND = frozenset(_SOUND.split(" "))
MOVING = frozenset(_MOVING.split(" "))
