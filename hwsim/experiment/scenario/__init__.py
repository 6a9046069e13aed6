"""What a user asks for: the settings of a scenario, read and checked."""
