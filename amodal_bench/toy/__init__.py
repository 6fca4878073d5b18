"""The toy aquarium: drawing code of the generated scenes."""
