"""Recurrent layers for PyTorch users: torch.nn's, faster on ragged batches and with variants."""

from catena.nn.drop_in import GRU, LSTM, RNN

__all__ = ["GRU", "LSTM", "RNN"]
