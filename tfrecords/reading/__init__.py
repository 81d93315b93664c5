"""Records -> `tf.data`."""
