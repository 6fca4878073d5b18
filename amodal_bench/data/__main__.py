"""`python -m amodal_bench.data VERB ...`."""

import sys

from amodal_bench.data.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
