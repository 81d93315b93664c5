"""Commands that measure what is claimed about speed; see benchmarks/README.md."""
