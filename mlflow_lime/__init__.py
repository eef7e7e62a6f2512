"""Explain every registered model version, and compare versions by their reasons."""
