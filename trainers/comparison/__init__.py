"""Methods side by side over seeds: the plan of the runs, and their tables."""
