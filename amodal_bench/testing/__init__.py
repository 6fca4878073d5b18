"""Contracts that every component has to keep, and exporters of the toy aquarium to the official formats."""
