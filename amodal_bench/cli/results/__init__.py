"""`amodal-bench results`: what runs have left behind, for other tools, one module per verb."""
