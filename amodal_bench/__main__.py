"""`python -m amodal_bench`, the same program as `amodal-bench`."""

import os
import sys

if __name__ == "__main__":
    # Python puts the working folder first, where a file of the user's would be imported before a library.
    if not sys.flags.safe_path and sys.path and sys.path[0] in ("", os.getcwd()):
        sys.path.append(sys.path.pop(0))

    from amodal_bench.cli.main import main

    main()
