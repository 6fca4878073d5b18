"""`amodal-bench predict`: any model on a picture of one's own."""
