"""What a scenario runs: accuracy under faults, lifetimes of devices, errors of single bits."""
