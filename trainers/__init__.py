"""The command line: flags -> library calls."""

from tfrecords import quiet  # noqa: F401
