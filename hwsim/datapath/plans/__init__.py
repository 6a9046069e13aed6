"""Where scales are divided out: the plan, who makes it, what forces each division, and what repairs it."""
