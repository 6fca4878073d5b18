"""Views: which window of an image a model sees, and the way back to the image's own grid."""
