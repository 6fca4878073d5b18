"""`amodal-bench data`: list, fetch, check and look at datasets, one module per verb."""
