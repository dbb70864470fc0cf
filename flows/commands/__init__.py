"""What a person types, beside the flows: one file a group of commands."""
