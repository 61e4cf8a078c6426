"""Action recognition in the compressed domain: I-frame encoder, spiking P-frame encoder, one transformer, a mixer.

After arXiv 2503.13724: an analogue network looks at I-frames, a spiking one at the motion vectors and residuals of the
P-frames between them, through Spiking Temporal Modulators; the tokens of all modalities, times and places attend to
each other in one transformer, and a Multi-Modal Mixer joins them before the head.

Where the paper leaves the choice open, it is ours and said so. Axes: N, C, H, W; time comes first and is flattened
into the batch, as in :mod:`training.networks.neurons`. All state is explicit: None is a fresh one (zeros).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from snntorch import surrogate
from torch import Tensor, nn

from halsie_ros.action.inputs import STEP_US
from training.networks.neurons import join, split

MODALITIES = ("image", "motion", "residual")
PLACES = 4  # tokens per modality and GOP: 2 x 2 places of the picture


@dataclass(frozen=True)
class ActionConfig:
    """Sizes and switches of the network.

    Attributes:
        classes: number of classes.
        width: token width D.
        channels: channels of the P encoders' first layer; the second has twice as many.
        image_channels: channels of the I encoder's first stage; the last has twice as many.
        layers, heads: of the transformer.
        gops: K, tokens of so many GOPs go into the head.
        neuron: "stm", "lif" (fixed threshold) or "analogue" (no spikes): the ablation's switch.
        attention: "unified", or "separate" (each modality attends to itself only).
        mixer: False replaces the mixer by a mean over tokens.
        difference: the I encoder sees what changed since the I-frame before, too (our choice).
        dropout: within transformer and head.
    """

    classes: int
    width: int = 96
    channels: int = 24
    image_channels: int = 48
    layers: int = 2
    heads: int = 4
    gops: int = 8
    neuron: str = "stm"
    attention: str = "unified"
    mixer: bool = True
    difference: bool = False
    dropout: float = 0.1

    @classmethod
    def size(cls, name: str, classes: int) -> ActionConfig:
        """ "small", the deployed size, or "base"."""
        if name == "small":
            return cls(classes)
        if name == "base":
            return cls(classes, width=256, channels=48, image_channels=96, layers=6, heads=8)
        raise ValueError(f"size is {name!r}, choose small or base")


class SpikingTemporalModulator(nn.Module):
    """Leaky integrate-and-fire with a learnable leak and a threshold that rises with recent firing.

    ``u[t] = leak u[t-1] + dt/STEP i[t]``; ``s[t] = u[t] > theta[t]``; ``theta[t] = theta0 + rise a[t-1]``;
    ``a[t] = fade a[t-1] + (1 - fade) s[t]``; reset by subtraction, ``u[t] -= theta[t] s[t]``. leak = exp(-dt/tau) and
    fade = exp(-dt/tau_a) per channel. A GOP whose P-frames repeat each other raises its own thresholds and falls
    silent. The gradient of a spike is snntorch's arctangent surrogate; none flows through the reset.

    Args:
        channels: number of channels C.
        kind: "stm"; "lif": rise is fixed at 0; "analogue": a leaky average with ReLU, no spikes.
    """

    def __init__(self, channels: int, kind: str = "stm") -> None:
        super().__init__()
        spread = torch.logspace(-1, 1, channels, base=3.0)
        self.kind = kind
        self.log_tau = nn.Parameter((150_000.0 * spread).log())
        self.log_fade_tau = nn.Parameter((200_000.0 * torch.ones(channels)).log(), requires_grad=kind == "stm")
        self.threshold = nn.Parameter(torch.full((channels,), 1.0))
        self.rise = nn.Parameter(torch.full((channels,), 1.0 if kind == "stm" else 0.0), requires_grad=kind == "stm")
        self._surrogate = surrogate.atan(alpha=2.0)

    def forward(
        self, current: Tensor, state: tuple[Tensor, Tensor] | None, dt_us: Tensor, steps: int = 1
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Runs `steps` steps.

        Args:
            current: ``(T*N, C, H, W)``.
            state: membrane and recent firing, ``(N, C, H, W)`` each, or None.
            dt_us: ``(T*N,)``; a step of 0 µs leaves the state and fires nothing (padding).
            steps: T.

        Returns:
            Spikes ``(T*N, C, H, W)`` (activations where analogue) and the state after the last step.
        """
        if state is None:
            zero = torch.zeros_like(current[: current.shape[0] // steps])
            state = (zero, zero)
        membrane, firing = state
        shape = (1, -1, 1, 1)
        outputs = []
        for i, dt in zip(split(current, steps), split(dt_us, steps)):
            dt = dt.view(-1, 1, 1, 1)
            leak = torch.exp(-dt * torch.exp(-self.log_tau).view(shape))
            if self.kind == "analogue":
                membrane = leak * membrane + (1 - leak) * i
                outputs.append(torch.relu(membrane))
                continue
            membrane = leak * membrane + i * (dt / STEP_US)
            threshold = (self.threshold.view(shape) + self.rise.abs().view(shape) * firing).clamp_min(0.1)
            over = membrane - threshold
            spike = (self._surrogate(over) if self.training else (over > 0).to(over.dtype)) * (dt > 0).to(over.dtype)
            membrane = membrane - (threshold * spike).detach()
            fade = torch.exp(-dt * torch.exp(-self.log_fade_tau).view(shape))
            firing = fade * firing + (1 - fade) * spike
            outputs.append(spike)
        return join(outputs), (membrane, firing)


class PEncoder(nn.Module):
    """Spiking encoder of one P-frame modality: two strided convolutions, an STM after each, and a leaky readout.

    The readout adds up the last layer's spikes with a time constant per channel (learnable); it does not spike. State:
    two STMs' (membrane, firing) and the readout, five tensors.

    Args:
        inputs: input channels.
        stride: of the first convolution, so that it ends at 12 x 16.
        config: sizes.
    """

    def __init__(self, inputs: int, stride: int, config: ActionConfig) -> None:
        super().__init__()
        wide = config.channels * 2
        self.conv1 = nn.Conv2d(inputs, config.channels, stride + 2, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(config.channels)
        self.stm1 = SpikingTemporalModulator(config.channels, config.neuron)
        self.conv2 = nn.Conv2d(config.channels, wide, 3, 2, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(wide)
        self.stm2 = SpikingTemporalModulator(wide, config.neuron)
        self.log_tau = nn.Parameter((300_000.0 * torch.logspace(-1, 1, wide, base=6.0)).log())
        self.tokens = nn.Conv2d(wide, config.width, (3, 4), (3, 4))

    def forward(
        self, x: Tensor, state: tuple[Tensor, ...] | None, dt_us: Tensor, steps: int = 1
    ) -> tuple[tuple[Tensor, ...], tuple[Tensor, Tensor]]:
        """``x (T*N, inputs, H, W)`` to the state after T steps and each layer's spikes summed per step, ``(T*N,)``."""
        s1, s2, readout = (None, None, None) if state is None else (state[:2], state[2:4], state[4])
        spikes1, s1 = self.stm1(self.norm1(self.conv1(x)), s1, dt_us, steps)
        spikes2, s2 = self.stm2(self.norm2(self.conv2(spikes1)), s2, dt_us, steps)
        for spike, dt in zip(split(spikes2, steps), split(dt_us, steps)):
            keep = torch.exp(-dt.view(-1, 1, 1, 1) * torch.exp(-self.log_tau).view(1, -1, 1, 1))
            readout = spike if readout is None else keep * readout + spike
        assert readout is not None and s1 is not None and s2 is not None
        return (*s1, *s2, readout), (spikes1.sum((1, 2, 3)), spikes2.sum((1, 2, 3)))

    def read(self, readout: Tensor) -> Tensor:
        """``(N, 2C, 6, 8)`` to tokens ``(N, PLACES, D)``."""
        return self.tokens(readout * 0.5).flatten(2).transpose(1, 2)


class Separable(nn.Module):
    """3x3 per channel, then 1x1, norm and ReLU each; added to its input where the shapes allow."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False),
            nn.BatchNorm2d(inputs),
            nn.ReLU(),
            nn.Conv2d(inputs, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.same = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y = self.body(x)
        return F.relu(x + y if self.same else y)


class IEncoder(nn.Module):
    """Analogue encoder of the I-frame: patches of 8 x 8, separable convolutions, 2 x 2 places.

    With `difference` it sees the I-frame less the one before it, too: there a still background vanishes.
    """

    def __init__(self, config: ActionConfig) -> None:
        super().__init__()
        width, self.difference = config.image_channels, config.difference
        self.stem = nn.Sequential(
            nn.Conv2d(6 if config.difference else 3, width, 8, 8, bias=False), nn.BatchNorm2d(width), nn.ReLU()
        )
        self.stages = nn.Sequential(Separable(width, width), Separable(width, width), Separable(width, width * 2, 2))
        self.tokens = nn.Conv2d(width * 2, config.width, (3, 4), (3, 4))

    def forward(self, image: Tensor, before: Tensor | None = None) -> Tensor:
        """``(N, 3, 96, 128)`` RGB 0..1 and, with `difference`, the I-frame before to tokens ``(N, PLACES, D)``.

        Brightness and contrast are normalised per picture. Where no I-frame came before, `before` is the same one.
        """
        centred = image - image.mean((1, 2, 3), keepdim=True)
        spread = (centred.square().mean((1, 2, 3), keepdim=True) + 1e-3).sqrt()
        seen = centred / spread
        if before is not None and self.difference:
            seen = torch.cat([seen, (image - before) * (2 / spread)], 1)
        return self.tokens(self.stages(self.stem(seen))).flatten(2).transpose(1, 2)


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
        return x + self.drop(self.mlp(self.norm2(x)))


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
        return x + self.channels(self.norm2(x))


class Head(nn.Module):
    """Tokens of the last K GOPs to logits: transformer, mixer, weighted mean, linear layer.

    A GOP's time is told by its age (seconds before the newest), so that GOPs of any length and sparse reading fit.
    """

    def __init__(self, config: ActionConfig) -> None:
        super().__init__()
        width, per_gop = config.width, len(MODALITIES) * PLACES
        self.config = config
        self.place = nn.Parameter(torch.randn(per_gop, width) * 0.02)
        self.age = nn.Sequential(nn.Linear(9, width), nn.GELU(), nn.Linear(width, width))
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

    def forward(self, i_tokens: Tensor, p_tokens: Tensor, age_s: Tensor, valid: Tensor) -> Tensor:
        """``i_tokens (B, K, PLACES, D)``, ``p_tokens (B, K, 2*PLACES, D)``, ``age_s (B, K)``, ``valid (B, K)`` 0/1.

        Returns logits ``(B, classes)``.
        """
        batch, gops = age_s.shape
        x = torch.cat([i_tokens, p_tokens], 2)
        per_gop, width = x.shape[2], x.shape[3]
        waves = age_s.unsqueeze(-1) * torch.tensor([0.5, 1.0, 2.0, 4.0], device=age_s.device)
        age = self.age(torch.cat([age_s.unsqueeze(-1) / 4, torch.sin(waves), torch.cos(waves)], -1))
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
        return self.classify(self.drop((weights.unsqueeze(-1) * x).sum(1)))


class CompressedVideoNet(nn.Module):
    """The network: :meth:`i_frame`, :meth:`p_frame` and :attr:`head` for streams, :meth:`forward` for training."""

    def __init__(self, config: ActionConfig) -> None:
        super().__init__()
        self.config = config
        self.image = IEncoder(config)
        self.motion = PEncoder(4, 2, config)
        self.residual = PEncoder(2, 4, config)
        self.head = Head(config)

    def i_frame(self, image: Tensor, before: Tensor | None = None) -> Tensor:
        """``(N, 3, 96, 128)`` RGB 0..1 (and the I-frame before, see `IEncoder`) to tokens ``(N, PLACES, D)``."""
        return self.image(image, before)

    def p_frame(
        self, motion: Tensor, residual: Tensor, dt_us: Tensor, state: tuple[Tensor, ...] | None, steps: int = 1
    ) -> tuple[Tensor, tuple[Tensor, ...], tuple[Tensor, ...]]:
        """T steps of N streams.

        Args:
            motion: ``(T*N, 4, 24, 32)``.
            residual: ``(T*N, 2, 48, 64)``.
            dt_us: ``(T*N,)``.
            state: ten tensors, five per modality, or None at a GOP's start.
            steps: T.

        Returns:
            Tokens ``(N, 2*PLACES, D)`` of the GOP so far, the new state, spikes of four layers, ``(T*N,)`` each.
        """
        m_state, m_spikes = self.motion(motion, None if state is None else state[:5], dt_us, steps)
        r_state, r_spikes = self.residual(residual, None if state is None else state[5:], dt_us, steps)
        tokens = torch.cat([self.motion.read(m_state[4]), self.residual.read(r_state[4])], 1)
        return tokens, (*m_state, *r_state), (*m_spikes, *r_spikes)

    def forward(
        self,
        image: Tensor,
        motion: Tensor,
        residual: Tensor,
        dt_us: Tensor,
        age_s: Tensor,
        valid: Tensor,
        use: Tensor | None = None,
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Clips of K GOPs of up to T steps.

        Args:
            image: ``(B, K, 3, 96, 128)``.
            motion: ``(T, B, K, 4, 24, 32)``.
            residual: ``(T, B, K, 2, 48, 64)``.
            dt_us: ``(T, B, K)``, 0 for padding.
            age_s, valid: ``(B, K)``.
            use: ``(B, 3)`` 0/1 per modality (image, motion, residual): its tokens are zeroed where 0; None: all.

        Returns:
            Logits ``(B, classes)`` and the spikes per step of four layers, ``(T*B*K,)`` each.
        """
        steps, batch, gops = dt_us.shape
        before = torch.cat([image[:, :1], image[:, :-1]], 1)
        known = torch.cat([valid[:, :1], valid[:, :-1]], 1).view(batch, gops, 1, 1, 1) > 0
        before = torch.where(known, before, image)
        i_tokens = self.i_frame(image.flatten(0, 1), before.flatten(0, 1)).view(batch, gops, PLACES, -1)
        p_tokens, _, spikes = self.p_frame(motion.flatten(0, 2), residual.flatten(0, 2), dt_us.flatten(), None, steps)
        p_tokens = p_tokens.view(batch, gops, 2 * PLACES, -1)
        if use is not None:
            i_tokens = i_tokens * use[:, 0].view(-1, 1, 1, 1)
            p_tokens = p_tokens * use[:, 1:].repeat_interleave(PLACES, 1).view(batch, 1, 2 * PLACES, 1)
        return self.head(i_tokens, p_tokens, age_s, valid), spikes
