"""Sets of labelled videos: one reader per set."""
