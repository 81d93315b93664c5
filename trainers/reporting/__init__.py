"""The output of the commands for people: tables, pages, figures, model cards."""
