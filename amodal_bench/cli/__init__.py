"""The command line: one door, its verbs, and an answer in one line to every mistake."""
