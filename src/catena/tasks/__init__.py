"""Estimators that put a rung to use."""
