"""Fault maps that were measured: read from files, placed on a memory, and summed up."""
