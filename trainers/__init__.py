"""The command line: flags -> library calls."""

from amr_tf import _quiet  # noqa: F401
