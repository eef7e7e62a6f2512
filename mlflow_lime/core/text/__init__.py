"""Texts: how they are cut into parts, and how they look when some of the parts are absent."""
