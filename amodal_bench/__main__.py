"""`python -m amodal_bench`, the same program as `amodal-bench`."""

import os
import sys

if __name__ == "__main__":
    # Python puts the working folder first; there a file of the user's would be imported instead of a library, or for
    # one that is not installed. It is looked into when a class of the user's is wanted, and not before.
    if not sys.flags.safe_path and sys.path and sys.path[0] in ("", os.getcwd()):
        del sys.path[0]

    from amodal_bench.cli.main import main

    main()
