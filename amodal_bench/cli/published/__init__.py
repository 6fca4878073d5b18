"""`amodal-bench published`: the ledger of published values, one module per verb."""
