"""The command line: flags -> library calls."""

from tfrecords import tools  # noqa: F401  isort: skip
from tfrecords import quiet  # noqa: F401  isort: skip
