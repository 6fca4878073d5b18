"""`amodal-bench models`: list, fetch and check what the models are made of, one module per verb."""
