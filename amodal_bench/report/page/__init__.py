"""The page to look into runs: a folder that a browser opens from the disk, without a server and without a network."""
