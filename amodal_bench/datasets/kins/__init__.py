"""KINS: amodal annotations of KITTI's streets, in COCO's format."""
