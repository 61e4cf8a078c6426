"""HEVC: headers, and slices read to their end."""
