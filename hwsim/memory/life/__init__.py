"""What a device lives through: phases, conditions, clocks."""
