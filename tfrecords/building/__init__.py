"""Media files and arrays -> TFRecord shards."""
