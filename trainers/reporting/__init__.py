"""What the commands leave for people: tables, pages, figures, model cards."""
