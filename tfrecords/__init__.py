"""Raw clips -> TFRecord shards -> `tf.data`."""
