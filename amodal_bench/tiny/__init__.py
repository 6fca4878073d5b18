"""The tiny inpainting model that ships with the package: its networks, its training and its weights."""
