"""The kernels in native/. Arrays are given as addresses; see native/call.hpp for their shapes."""

def levels() -> list[str]:
    """Names of the kernels that this processor can run, the best first."""

def use_level(name: str) -> None:
    """Run the kernels of this name from now on."""

def team_kind() -> str:
    """What carries several threads: "openmp" (PyTorch's) or "threads"."""

def valid(sizes: int, steps: int, total: int, n: int) -> bool:
    """Whether batch sizes are those of n sequences with `total` steps."""

def forward(*call: float) -> None:
    """One layer through time."""

def backward(*call: float) -> None:
    """The gradients' way back through time."""

def former(*call: int) -> None:
    """What the step before left, for each step."""

def dense(*call: int) -> None:
    """to = start + a @ packed."""

def outer(*call: int) -> None:
    """to[m, n] = d.T @ x."""

def outer_of_former(*call: int) -> None:
    """d.T @ h, h the state before each step."""

def pack_forward(w: int, gates: int, units: int, depth: int, threads: int, to: int) -> None:
    """[gates * units, depth] to panels, for h @ W.T."""

def pack_backward(w: int, rows: int, columns: int, threads: int, to: int) -> None:
    """[rows, columns] to panels, for d @ W."""

def expect(*call: int) -> None:
    """log Z of linear chains and what is expected of a path; see native/chain.hpp."""

def best(*call: int) -> None:
    """The k best paths of linear chains; see native/chain.hpp."""

def filter(*call: int) -> None:
    """Beliefs about the state of a chain, step by step; see native/chain.hpp."""

def feature_scores(*call: int) -> None:
    """Scores of labels from sparse attributes; see native/features.hpp."""

def feature_order(*call: int) -> None:
    """The attributes of each step in rising order."""

def top_items(*call: float) -> None:
    """The best of many items; see native/items.hpp."""

def move_rows(*call: float) -> None:
    """Adagrad for some rows of a table; see native/items.hpp."""

def sampled_softmax(*call: int) -> None:
    """Gains over shared items and their slopes; see native/sampled.hpp."""

def add_rows(*call: int) -> None:
    """Adds rows to some of a table's; see native/sampled.hpp."""

def draw(*call: float) -> None:
    """Items for numbers, by edges; see native/draws.hpp."""

def distinct(*call: int) -> int:
    """Which items an update needs; see native/draws.hpp."""

def log_sums(*call: int) -> None:
    """log of the sum of exp of each row; see native/rows.hpp."""

def top_of_rows(*call: int) -> None:
    """The best of each row."""

def attend(*call: int) -> None:
    """Attention by products; see native/attend.hpp."""

class Columns:
    """Sparse attributes of steps, attribute by attribute; see native/columns.hpp."""

    def __init__(self, total: int, steps: int, ids: int, values: int, places: int) -> None: ...
    def share(self, threads: int, to: int) -> None: ...
    def scores(self, *call: int) -> None:
        """Scores of labels; see native/features.hpp."""
    def gradient(self, *call: int) -> None:
        """The way back from scores to weights; see native/features.hpp."""

class Names:
    """A table of distinct names, to find their numbers by; see native/names.hpp."""

    def __init__(self, count: int, offsets: int, text: int) -> None: ...
    @property
    def distinct(self) -> bool: ...
    def find(self, count: int, offsets: int, text: int, to: int) -> None: ...
    @staticmethod
    def count_in_lists(lists: list[object]) -> int: ...
    def find_in_lists(self, lists: list[object], count: int, to: int, offsets: int) -> bool: ...

class Stepper:
    """A stack of layers, one step at a time; see native/stream.hpp."""

    def __init__(
        self,
        kind: int,
        coupled: bool,
        zone_h: float,
        zone_c: float,
        half: bool,
        threads: int,
        rows: int,
        units: int,
        h: int,
        fresh: int,
        c: int,
        gates: int,
        room: int,
        out: int,
    ) -> None: ...
    def add(self, inputs: int, *addresses: int) -> None:
        """Put a layer on top."""

    def push(self, x: int) -> None:
        """One step of all layers."""
