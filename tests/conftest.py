"""What every test shares: one thread, and hypothesis draws that are the same on every run."""

import os

import torch
from hypothesis import HealthCheck, Phase, settings

settings.register_profile(
    "house",
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    max_examples=int(os.environ.get("CATENA_EXAMPLES", "4")),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("house")
torch.set_num_threads(1)
