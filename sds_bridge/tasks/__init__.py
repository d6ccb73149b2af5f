"""What a user asks for, start to end."""
