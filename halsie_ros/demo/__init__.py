"""`halsie demo`: real nodes on a generated street or a bag, and the pictures of what they publish."""
