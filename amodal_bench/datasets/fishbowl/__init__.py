"""FishBowl: rendered videos of an aquarium."""
