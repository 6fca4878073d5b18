"""Weights: where they lie, how they are fetched, checked and loaded, for backbones and segmenters alike."""
