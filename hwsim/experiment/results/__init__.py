"""What a run leaves: the trial log, tables, statistics."""
