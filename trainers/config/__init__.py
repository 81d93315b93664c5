"""What a run is: flags, recipes and the checked configuration made of them."""
