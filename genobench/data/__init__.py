"""Real and simulated cohorts: reading, quality control, splits, variant selection."""
