"""Fast ways to run a recurrence over time, and the table that knows them."""

from catena.kernels.registry import backends, explain, register

__all__ = ["backends", "explain", "register"]
