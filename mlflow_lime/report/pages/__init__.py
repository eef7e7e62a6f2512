"""The review pages: one HTML file on a version, or on several versions side by side."""

__all__: list[str] = []
