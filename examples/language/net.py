"""A causal transformer over characters, and English text that every Python brings: its own topics of help."""

from pydoc_data.topics import topics

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

LENGTH, VOCABULARY, WIDTH, HEADS = 48, 96, 64, 4


class Block(nn.Module):
    """Attention, and a perceptron of four times the width."""

    def __init__(self) -> None:
        super().__init__()
        self.before, self.after = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.query, self.key, self.value, self.back = (nn.Linear(WIDTH, WIDTH) for _ in range(4))
        self.wide, self.narrow = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """(n, length, width)."""
        y = self.before(x)
        parts = (
            one(y).unflatten(2, (-1, WIDTH // HEADS)).transpose(1, 2) for one in (self.query, self.key, self.value)
        )
        x = x + self.back(F.scaled_dot_product_attention(*parts, is_causal=True).transpose(1, 2).flatten(2))
        return x + self.narrow(F.gelu(self.wide(self.after(x))))


class LanguageModel(nn.Module):
    """Scores of the next character at every place."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.places = nn.Embedding(VOCABULARY, WIDTH), nn.Embedding(LENGTH, WIDTH)
        self.blocks = nn.Sequential(Block(), Block())
        self.norm, self.out = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, VOCABULARY)

    def forward(self, ids: Tensor) -> Tensor:
        """(n, length) to (n, length, vocabulary)."""
        x = self.tokens(ids) + self.places(torch.arange(ids.shape[1], device=ids.device))
        scores: Tensor = self.out(self.norm(self.blocks(x)))
        return scores


def build() -> nn.Module:
    """The network, before its training."""
    return LanguageModel()


def load() -> tuple[np.ndarray, ...]:
    """Windows of the text and the characters that follow, to train on and to test on."""
    text = np.frombuffer("".join(topics.values()).encode("latin-1", "replace")[:60_000], np.uint8)
    ids = np.clip(text.astype(np.int64) - 31, 0, VOCABULARY - 1)
    windows = ids[: len(ids) // (LENGTH + 1) * (LENGTH + 1)].reshape(-1, LENGTH + 1)
    windows = np.random.default_rng(0).permutation(windows)
    x, y, train = windows[:, :-1].copy(), windows[:, 1:].copy(), int(0.8 * len(windows))
    return x[:train], y[:train], x[train:], y[train:]
