"""Is the ratio of attribution a dial of robustness? A study on real clips; see docs/frontier.md."""
