"""Cameras and how one camera's pixels lie in another's picture."""
