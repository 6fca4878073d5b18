"""The toy aquarium as a tree of each benchmark's official format, one module per benchmark."""
