"""Ratings from latent user and item variables, freed of the bias by which ratings were chosen."""
