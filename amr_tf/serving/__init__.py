"""A trained classifier as a SavedModel: signatures, export, warm-up requests."""

from amr_tf.serving.exporting import export, newest_version
from amr_tf.serving.signatures import ServedClassifier

__all__ = ["ServedClassifier", "export", "newest_version"]
