"""The paper's method, one module per equation or idea (Lee et al., AAAI-26, section 4)."""
