"""`amodal-bench paper`: the paper's tables, one verb for each."""
