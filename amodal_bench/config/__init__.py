"""From overrides to objects: schema, composition, building of components, and mistakes named."""
