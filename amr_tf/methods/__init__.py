"""The methods to train with: each a small plug-in of the one train step.

A new method is one new file and one line of `METHODS`.
"""

from amr_tf.methods.base import Context, Method
from amr_tf.methods.dropout import Dropout
from amr_tf.methods.modality_dropout import ModalityDropout
from amr_tf.methods.naive import Naive
from amr_tf.methods.unimodal import Unimodal

METHODS = {
    "naive": Naive,
    "unimodal": Unimodal,
    "dropout": Dropout,
    "modality_dropout": ModalityDropout,
}

__all__ = ["METHODS", "Context", "Dropout", "Method", "ModalityDropout", "Naive", "Unimodal"]
