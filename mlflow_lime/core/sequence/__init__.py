"""Sequences: series in every form that models read, their windows, and what replaces them."""
