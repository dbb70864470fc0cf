"""What may be wrong with an installation, found and explained."""
