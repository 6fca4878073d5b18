"""One run by many processes: workers predict batches, and one driver hands them out and writes what comes back."""
