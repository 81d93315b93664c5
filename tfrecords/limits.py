"""The limits above which files are refused, when records are built and when they are read."""

MAX_PIXELS = 8192 * 4320  # of a frame
MAX_SAMPLES = 1 << 28  # of a waveform: hours
MAX_TEXT = 1 << 20  # bytes of UTF-8 of one clip
MAX_FEATURES = 1 << 24  # numbers of one clip
