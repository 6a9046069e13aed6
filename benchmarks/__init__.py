"""Speed, as ratios within one run against what a user would do instead: `python -m benchmarks.NAME`."""
