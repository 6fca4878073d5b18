"""The generated dataset's drawing code and the training script of the tiny inpainting model."""
