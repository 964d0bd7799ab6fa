"""Metrics: pure functions on arrays. Nothing here knows a task or a model."""
