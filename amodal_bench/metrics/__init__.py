"""Pixels to counts, counts to numbers, numbers to intervals."""
