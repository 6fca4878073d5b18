"""The paper's tables: what each one is made of, which runs they need, and how they are written."""
