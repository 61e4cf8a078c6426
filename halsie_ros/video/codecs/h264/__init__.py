"""H.264: headers, and slices read to their end."""
