"""Imports TensorFlow without the notices that its native libraries print.

Level 3 silences the C++ log once it is set up; TensorFlow 2.21 prints a few lines before that
(`port.cc`, `cudart_stub.cc`), so the import itself runs with file descriptor 2 closed off.
Whoever sets TF_CPP_MIN_LOG_LEVEL gets all that TensorFlow has to say.
"""

import os
import sys

if "TF_CPP_MIN_LOG_LEVEL" not in os.environ and "tensorflow" not in sys.modules:
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    sys.stderr.flush()
    stderr = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        import tensorflow  # noqa: F401
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nowhere)
