"""What a user brings: a method with an option and state, an encoder with a layer, a fusion head.

Nothing here knows the commands; one call registers each part.
"""

import keras
import tensorflow as tf

import amr_tf


@amr_tf.register_method("steadied")
class Steadied(amr_tf.methods.Method):
    """Divides the loss by the running mean of its own values.

    Args:
        momentum: Float, how much of the running mean a step leaves.
    """

    help = "divides the loss by its own running mean (of a user)"

    def __init__(self, momentum: float = 0.9) -> None:
        if not 0 <= momentum < 1:
            raise ValueError(f"momentum is in [0, 1), got {momentum}")
        self.momentum = momentum

    def build(self, model):
        """Makes the running mean, which is saved with the model."""
        model.running_loss = model.add_weight(
            name="running_loss", shape=(), initializer="ones", trainable=False
        )

    def loss(self, context):
        """The mean cross-entropy over its running mean."""
        loss = super().loss(context)
        mean = context.model.running_loss
        new = self.momentum * mean + (1 - self.momentum) * tf.stop_gradient(loss)
        mean.assign(new)
        return loss / new

    def get_config(self):
        """The constructor's arguments."""
        return {"momentum": self.momentum}


@keras.saving.register_keras_serializable(package="my_plugins")
class Scale(keras.layers.Layer):
    """Multiplies each feature by a learned factor.

    Args:
        start: Float, the factors' first value.
    """

    def __init__(self, start=1.0, **options):
        super().__init__(**options)
        self.start = start

    def build(self, input_shape):
        """Makes the factors."""
        self.factors = self.add_weight(
            name="factors",
            shape=(input_shape[-1],),
            initializer=keras.initializers.Constant(self.start),
        )

    def call(self, inputs):
        """Multiplies."""
        return inputs * self.factors

    def get_config(self):
        """The constructor's arguments."""
        return super().get_config() | {"start": self.start}


@amr_tf.register_encoder("pooled", kinds=("audio", "video"))
def pooled(shape, units=8, seed=0, name="pooled"):
    """The mean over time and space, scaled, through one dense layer."""
    inputs = keras.Input(shape)
    x = keras.layers.Reshape((-1, shape[-2] * shape[-1]))(inputs)
    x = Scale(start=0.5)(keras.layers.GlobalAveragePooling1D()(x))
    initializer = keras.initializers.GlorotUniform(seed=seed)
    x = keras.layers.Dense(units, "relu", kernel_initializer=initializer)(x)
    return keras.Model(inputs, x, name=name)


@amr_tf.register_head("averaged")
def averaged(encoding_shapes, num_classes, temperature=1.0, seed=0):
    """The mean of the modalities' logits, divided by a temperature."""
    inputs = [keras.Input(shape) for shape in encoding_shapes]
    logits = [
        keras.layers.Dense(
            num_classes, kernel_initializer=keras.initializers.GlorotUniform(seed=seed + i)
        )(keras.layers.Flatten()(x))
        for i, x in enumerate(inputs)
    ]
    x = keras.layers.Average()(logits) if len(logits) > 1 else logits[0]
    return keras.Model(inputs, keras.layers.Rescaling(1 / temperature)(x), name="head")
