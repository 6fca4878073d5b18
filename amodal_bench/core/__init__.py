"""The ground floor: types, errors, seeds, masks, RLEs, digests, caches and clocks; imports nothing of the package."""
