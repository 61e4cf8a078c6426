"""One transformer over the tokens of all modalities, times and places, and the Multi-Modal Mixer before the scores.

After arXiv 2503.13724; how tokens are mixed and weighed is our choice.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.networks.action_config import MODALITIES, PLACES, ActionConfig


class Attention(nn.Module):
    """Pre-norm transformer layer; `bias` is added to the attention logits (mask)."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Dropout(dropout), nn.Linear(2 * width, width)
        )
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """``x (B, L, D)``, ``bias`` broadcast to ``(B, heads, L, L)``."""
        batch, length, width = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        weights = torch.softmax(q @ k.transpose(-1, -2) * (width // self.heads) ** -0.5 + bias, -1)
        x = x + self.drop(self.out((weights @ v).transpose(1, 2).reshape(batch, length, width)))
        result: Tensor = x + self.drop(self.mlp(self.norm2(x)))
        return result


class MultiModalMixer(nn.Module):
    """Mixes the tokens of one GOP across modalities and places, then across channels (MLP-Mixer's shape).

    A gate per token and channel says how much of the mixture is taken.
    """

    def __init__(self, tokens: int, width: int, dropout: float) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.across = nn.Sequential(nn.Linear(tokens, 2 * tokens), nn.GELU(), nn.Linear(2 * tokens, tokens))
        self.gate = nn.Linear(width, width)
        self.channels = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Dropout(dropout), nn.Linear(2 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        """``(B*K, tokens, D)``, same out."""
        mixed = self.across(self.norm1(x).transpose(1, 2)).transpose(1, 2)
        x = x + torch.sigmoid(self.gate(x)) * mixed
        result: Tensor = x + self.channels(self.norm2(x))
        return result


class Head(nn.Module):
    """Tokens of the last K GOPs to logits: transformer, mixer, weighted mean, linear layer.

    A GOP's time is told by its age (seconds before the newest), so that GOPs of any length and sparse reading fit.
    """

    apart: Tensor

    def __init__(self, config: ActionConfig) -> None:
        super().__init__()
        width, per_gop = config.width, len(MODALITIES) * PLACES
        self.config = config
        self.place = nn.Parameter(torch.randn(per_gop, width) * 0.02)
        self.age = nn.Sequential(nn.Linear(11 if config.camera else 9, width), nn.GELU(), nn.Linear(width, width))
        self.norm_in = nn.LayerNorm(width)
        self.layers = nn.ModuleList(Attention(width, config.heads, config.dropout) for _ in range(config.layers))
        self.mixer = MultiModalMixer(per_gop, width, config.dropout) if config.mixer else None
        self.norm = nn.LayerNorm(width)
        self.score = nn.Linear(width, 1)
        self.drop = nn.Dropout(config.dropout * 2)
        self.classify = nn.Linear(width, config.classes)
        modality = torch.arange(config.gops * per_gop) // PLACES % len(MODALITIES)
        apart = torch.where(modality[:, None] == modality[None], 0.0, -1e4)
        self.register_buffer("apart", apart if config.attention == "separate" else torch.zeros(1, 1), persistent=False)

    def forward(
        self, i_tokens: Tensor, p_tokens: Tensor, age_s: Tensor, valid: Tensor, camera: Tensor | None = None
    ) -> Tensor:
        """``i_tokens (B, K, PLACES, D)``, ``p_tokens (B, K, 2*PLACES, D)``, ``age_s (B, K)``, ``valid (B, K)`` 0/1 and,
        for networks with `camera`, ``camera (B, K, 2)`` (see `halsie_ros.action.inputs`).

        Returns logits ``(B, classes)``.
        """
        batch, gops = age_s.shape
        x = torch.cat([i_tokens, p_tokens], 2)
        per_gop, width = x.shape[2], x.shape[3]
        waves = age_s.unsqueeze(-1) * torch.tensor([0.5, 1.0, 2.0, 4.0], device=age_s.device)
        told = [age_s.unsqueeze(-1) / 4, torch.sin(waves), torch.cos(waves)]
        if camera is not None and self.config.camera:
            told.append(camera)
        age = self.age(torch.cat(told, -1))
        x = self.norm_in(x) + self.place + age.unsqueeze(2)
        x = x.reshape(batch, gops * per_gop, width)
        there = valid.unsqueeze(2).expand(batch, gops, per_gop).reshape(batch, 1, 1, gops * per_gop)
        bias = (there - 1) * 1e4 + self.apart[: x.shape[1], : x.shape[1]]
        for layer in self.layers:
            x = layer(x, bias)
        if self.mixer is not None:
            x = self.mixer(x.reshape(batch * gops, per_gop, width)).reshape(batch, gops * per_gop, width)
        x = self.norm(x)
        weights = torch.softmax(self.score(x).squeeze(-1) + (there.reshape(batch, -1) - 1) * 1e4, -1)
        if self.mixer is None:
            weights = there.reshape(batch, -1) / there.reshape(batch, -1).sum(1, keepdim=True)
        result: Tensor = self.classify(self.drop((weights.unsqueeze(-1) * x).sum(1)))
        return result
