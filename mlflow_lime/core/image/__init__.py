"""Images: pixels in every form that models read, their segments, and what replaces them."""
