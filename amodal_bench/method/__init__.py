"""The paper's method, one module per idea (Lee et al., AAAI-26, section 4)."""
