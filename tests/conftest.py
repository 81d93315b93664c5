"""Four logical CPU devices for all tests, and the pieces that several of them share."""

from tfrecords import quiet  # noqa: F401  isort: skip

import gc

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl import flags
from hypothesis import HealthCheck, settings

from amr_tf import _compat

# no test depends on how fast the machine is
settings.register_profile("any_speed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any_speed")

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 4
)


@pytest.fixture(scope="session", autouse=True)
def _session():
    flags.FLAGS.mark_as_parsed()
    gc.freeze()  # what was imported stays: collections need not look at it


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture
def eagerly():
    """Functions run without graphs, whose building takes most of the time of a few tiny steps."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


REPLICAS = [2, pytest.param(4, marks=pytest.mark.slow)]  # the suite is to end in 12 minutes


@pytest.fixture(scope="session", params=REPLICAS, ids=["2replicas", "4replicas"])
def strategy(request):
    """MirroredStrategy on logical CPUs; its collectives don't clash with a second one's."""
    return mirrored(request.param)


def mirrored(replicas):
    return tf.distribute.MirroredStrategy(
        [f"CPU:{i}" for i in range(replicas)],
        cross_device_ops=tf.distribute.ReductionToOneDevice(),
    )


@pytest.fixture(autouse=True)
def _fresh_keras():
    keras.utils.set_random_seed(0)
    yield
    # Keras 3 would collect garbage after each test, which takes a third of a second
    keras.backend.clear_session(**({"free_memory": False} if _compat.KERAS_3 else {}))
