"""The numbers that papers and users have published, with how each was obtained as far as that is known."""
