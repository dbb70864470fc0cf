"""What commands do with a person's own file, outside of any night: no schedule."""
