"""Experiments on `amr_tf.analysis`: what balance is good for."""
