"""Segmenters: one module each; a mask from an image and a prompt."""
