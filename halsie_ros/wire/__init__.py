"""Messages as bytes: their definitions and where fields lie in them."""
