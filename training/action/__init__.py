"""Training of the action networks; `python -m training.action CONFIG` trains."""
