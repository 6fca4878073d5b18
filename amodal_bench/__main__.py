"""`python -m amodal_bench`."""

from amodal_bench.cli.main import main

if __name__ == "__main__":
    main()
