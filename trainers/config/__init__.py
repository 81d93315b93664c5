"""The configuration of a run: flags, recipes and the checked configuration made of them."""
