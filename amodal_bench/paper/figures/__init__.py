"""The paper's figures and the tables' charts: what each one is made of, and how it is drawn."""
