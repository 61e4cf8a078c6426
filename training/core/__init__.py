"""What both trainings share: the loop, checkpoints, commands, recipes."""
