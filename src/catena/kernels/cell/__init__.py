"""Recurrent cells over ragged batches: what they compute, and the kernels that do."""
