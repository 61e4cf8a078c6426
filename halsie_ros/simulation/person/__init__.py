"""A person in motion: skeletons, actions, rendered clips."""
