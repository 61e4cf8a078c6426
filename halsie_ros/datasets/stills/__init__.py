"""Readers of labelled pictures that come without events."""
