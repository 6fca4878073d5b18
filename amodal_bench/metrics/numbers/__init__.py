"""Named numbers of protocols, one module per convention; each is a ratio of sums over instances where it can be."""
