"""What is balanced attribution good for? A study on synthetic clips; see docs/study.md."""
