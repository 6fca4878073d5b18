"""`amodal-bench toy`: write the toy aquarium in official formats, train the tiny model, one module per verb."""
