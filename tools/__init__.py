"""What only a checkout needs: the set-up behind `./halsie`."""
