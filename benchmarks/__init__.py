"""What is claimed about speed, as commands; see benchmarks/README.md."""
