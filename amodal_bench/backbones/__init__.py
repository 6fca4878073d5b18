"""Inpainting backbones: one module per family of diffusers pipelines, behind one small interface."""
