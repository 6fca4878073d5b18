"""Models: what a row of a table is."""
