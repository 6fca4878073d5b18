"""COCO-A, COCOA-cls and BSDS-A: the family of formats that describe regions of a picture in depth order."""
