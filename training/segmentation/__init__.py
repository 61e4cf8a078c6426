"""Training of the segmentation networks; `python -m training.segmentation CONFIG` trains."""
