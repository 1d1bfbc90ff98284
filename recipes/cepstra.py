"""What a recogniser of speech reads of a recording: mel-frequency cepstra and their slopes.

    X = |FFT(window · frame)|²      25 ms every 10 ms
    c = DCT(log(mel filters · X))   the first 13 (Davis and Mermelstein 1980)
    d_t = (c_{t+2} + c_{t+1}/2 - c_{t-1}/2 - c_{t-2}) · 0.4

Each recording's mean is taken off c, and with it the microphone and the loudness.
"""

from __future__ import annotations

import numpy as np
from scipy.fft import dct

FRAME, HOP = 0.025, 0.010
FILTERS, KEPT = 26, 13
# Below this share of a recording's mean power there is only noise of the digits themselves.
FLOOR = 1e-7
SLOPE = 0.4 * np.array([1.0, 0.5, 0.0, -0.5, -1.0])


def cepstra(sound: np.ndarray, rate: int) -> np.ndarray:
    """`[frames, 26]` of one recording `[samples]`: 13 cepstra, then how fast each one changes."""
    frame, hop = round(FRAME * rate), round(HOP * rate)
    if len(sound) < frame:
        sound = np.pad(sound, (0, frame - len(sound)))
    frames = np.lib.stride_tricks.sliding_window_view(sound, frame)[::hop]
    size = 1 << (frame - 1).bit_length()
    power = np.abs(np.fft.rfft(frames * np.hamming(frame), size)) ** 2
    heard = power @ mel_filters(size, rate).T
    static = np.asarray(dct(np.log(heard + FLOOR * heard.mean() + 1e-12), norm="ortho"))[:, :KEPT]
    static -= static.mean(0)
    around = np.pad(static, ((2, 2), (0, 0)), mode="edge")
    slopes = np.stack([np.convolve(column, SLOPE, "valid") for column in around.T], 1)
    return np.concatenate([static, slopes], 1)


def mel_filters(size: int, rate: int) -> np.ndarray:
    """`[FILTERS, size / 2 + 1]`: triangles that overlap by half, of equal width in mel."""
    top = 2595 * np.log10(1 + rate / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, FILTERS + 2) / 2595) - 1)
    heights = np.fft.rfftfreq(size, 1 / rate)[None, :]
    low, peak, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising, falling = (heights - low) / (peak - low), (high - heights) / (high - peak)
    return np.minimum(rising, falling).clip(0)
