"""Recordings with frames, events and labels: one reader per data set."""
