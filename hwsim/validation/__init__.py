"""Check points: what the models give, beside what was measured or published."""
