"""Which instances count, pixels to counts, counts to numbers, numbers to intervals."""
