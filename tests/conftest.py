"""What holds for every test: hypothesis draws the same examples each time, and no example is timed."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("hwsim", derandomize=True, deadline=None, print_blob=True)
settings.load_profile("hwsim")
