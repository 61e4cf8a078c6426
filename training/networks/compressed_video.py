"""Action recognition in the compressed domain: I-frame encoder, spiking P-frame encoder, one transformer, a mixer.

After arXiv 2503.13724: an analogue network looks at I-frames, a spiking one at the motion vectors and residuals of the
P-frames between them, through Spiking Temporal Modulators; the tokens of all modalities, times and places attend to
each other in one transformer, and a Multi-Modal Mixer joins them before the head.

Its parts: :mod:`training.networks.compressed_encoders`, :mod:`training.networks.temporal_modulator`,
:mod:`training.networks.joint_head`.

Where the paper leaves the choice open, it is ours and said so. Axes: N, C, H, W; time comes first and is flattened
into the batch, as in :mod:`training.networks.neurons`. All state is explicit: None is a fresh one (zeros).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.networks.action_config import PLACES, ActionConfig
from training.networks.compressed_encoders import IEncoder, PEncoder
from training.networks.joint_head import Head


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
        result: Tensor = self.image(image, before)
        return result

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
        camera: Tensor | None = None,
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Clips of K GOPs of up to T steps.

        Args:
            image: ``(B, K, 3, 96, 128)``.
            motion: ``(T, B, K, 4, 24, 32)``.
            residual: ``(T, B, K, 2, 48, 64)``.
            dt_us: ``(T, B, K)``, 0 for padding.
            age_s, valid: ``(B, K)``.
            use: ``(B, 3)`` 0/1 per modality (image, motion, residual): its tokens are zeroed where 0; None: all.
            camera: ``(T, B, K, 2)`` per step, see `halsie_ros.action.inputs`; None: a camera that stands still.

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
        if camera is None:
            camera = torch.tensor([1.0, 0.0], device=dt_us.device).expand(*dt_us.shape, 2)
        there = (dt_us > 0).to(camera.dtype).unsqueeze(-1)
        seen = (camera * there).sum(0) / there.sum(0).clamp_min(1)
        return self.head(i_tokens, p_tokens, age_s, valid, seen), spikes
