"""Action labels from a stream of decoded frames.

Features in, scores out, everything remembered in an explicit state.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from halsie_ros.action.clip import Segment
from halsie_ros.action.gops import Segmenter, is_cut
from halsie_ros.action.inputs import Step, image_input
from halsie_ros.action.motion_map import SIZE_PER_TIME, descriptor, step_map
from halsie_ros.action.motion_statistics import statistics
from halsie_ros.action.state import ActionScores, ActionState, Encoded, Tokens
from halsie_ros.errors import ModelError, ParameterError
from halsie_ros.inference.cards import ModelCard, find_model
from halsie_ros.inference.session import input_names, open_session, output_names
from halsie_ros.video.frame import VideoFrame
from halsie_ros.video.warm import warm, warming_frames

UNKNOWN = "unknown"
FROM_CARD = -1.0
"""The confidence that stands for the card's."""
NONE = "none"
"""The class of what shows none of a model's other classes; it is never said, "unknown" is."""
ROLES = ("i_frame", "p_frame", "head")
MODALITIES = ("image", "motion", "residual")
MAX_AGE_NS = 6_000_000_000
"""Segments older than this are forgotten, however few there are."""


class ActionPipeline:
    """Runs an action model's graphs: `i_frame`, `p_frame`, `head`, and `motion_map` where the model has it.

    Args:
        model: card, name or path.
        label_rate_hz: scores per second of stream time.
        confidence: a best score below this is "unknown"; -1: as the card says; 0: the best is named, if not "none".
        min_segments: so many segments must have been seen before anything is said.
        threads: of onnxruntime.
        provider: where the graphs run, see `inference.session.PROVIDERS`.
        experts: False leaves the expert of motion maps out where the model has one: the network alone says.

    Raises:
        ModelError: no such model, or not one for actions.
        ParameterError: a rate or threshold that cannot work.
    """

    def __init__(
        self,
        model: ModelCard | str | Path,
        *,
        label_rate_hz: float = 5.0,
        confidence: float = FROM_CARD,
        min_segments: int = 1,
        threads: int = 1,
        provider: str = "cpu",
        experts: bool = True,
    ) -> None:
        self.card = model if isinstance(model, ModelCard) else ModelCard.load(find_model(model))
        if self.card.task != "action":
            raise ModelError(
                f"{self.card.name} is a {self.card.task} model: choose one for actions, such as actions_mhad"
            )
        self.card.verify()
        self.classes = self.card.classes
        self.retime(label_rate_hz=label_rate_hz, confidence=confidence, min_segments=min_segments)
        for role in ROLES:
            self.card.graph(role)
        self._sessions = {
            role: open_session(self.card.graph(role), threads=threads, provider=provider)
            for role in self.card.graphs
            if experts or role in ROLES
        }
        self._describe = describer(self._sessions["motion_map"]) if "motion_map" in self._sessions else None
        self._compares = "before" in input_names(self._sessions["i_frame"])
        p_frame = self._sessions["p_frame"]
        self._outputs = output_names(p_frame)
        self._fresh = {
            value.name: np.zeros(value.shape, np.float32)
            for value in p_frame.get_inputs()
            if value.name.startswith("state_")
        }
        shapes = {value.name: value.shape for value in self._sessions["head"].get_inputs()}
        if "i_tokens" not in shapes or len(self._fresh) == len(input_names(p_frame)):
            raise ModelError(f"{self.card.path}: the graphs are not those of an action model: export it again")
        _, self.segments, self._places, self._width = shapes["i_tokens"]
        self._sees_camera = "camera" in shapes
        self._expert_multiplies = self._describe is not None and "factors" in output_names(self._sessions["motion_map"])
        self._state: ActionState | None = None

    def warm_up(self, *, everything: bool = True) -> None:
        """Compiles or loads every kernel, so that no packet of a stream has to wait for it.

        Args:
            everything: also what a stream that is not patient can do without, see `halsie_ros.video.warm.warm`.
        """
        warm(everything=everything)
        state = None
        for frame in warming_frames():
            _, state = self.step(frame, state)

    def retime(self, *, label_rate_hz: float, confidence: float, min_segments: int) -> None:
        """Takes other settings from the next frame on; see the class.

        Raises:
            ParameterError: a rate or threshold that cannot work; none of them is taken then.
        """
        if not label_rate_hz > 0:
            raise ParameterError(f"label_rate_hz is {label_rate_hz}: it must be above 0")
        if not -1 <= confidence <= 1:
            raise ParameterError(f"confidence is {confidence}: it must lie between 0 and 1, or be -1 (the card's)")
        if min_segments < 1:
            raise ParameterError(f"min_segments is {min_segments}: it must be at least 1")
        self.label_rate_hz, self.min_segments = label_rate_hz, min_segments
        self.confidence = self.card.confidence if confidence < 0 else confidence

    def reset(self) -> None:
        """Forgets the stream that :meth:`push` follows."""
        self._state = None

    def push(self, frame: VideoFrame) -> ActionScores | None:
        """:meth:`step` with the state kept here, for whoever follows one stream."""
        scores, self._state = self.step(frame, self._state)
        return scores

    def step(self, frame: VideoFrame, state: ActionState | None) -> tuple[ActionScores | None, ActionState]:
        """Takes the next frame in output order.

        Args:
            frame: of a `PacketStream`.
            state: what the step before gave; None for a new stream. A stamp that runs back starts anew.

        Returns:
            Scores where it is time for them (see `label_rate_hz`), else None; and the next state.
        """
        now = frame.stamp_ns
        if state is None or (state.last_ns is not None and now < state.last_ns):
            state = ActionState(Segmenter())
        state = replace(state, segmenter=state.segmenter.copy())
        rest = state.segmenter.flush() if frame.trusted and frame.type == "I" else None
        spikes: dict[str, float] = {}
        if rest is not None:
            state, spikes = self._advance(state, rest, state.last_ns or now)
        advance = state.segmenter.push(frame)
        if advance is not None and advance.starts:
            finished = (*state.finished, state.running)[-self.segments :] if state.running else state.finished
            state = replace(state, finished=finished, running=None, membranes=None)
            if advance.image is not None:
                if state.image is not None and is_cut(state.image, advance.image):
                    state = replace(state, finished=(), image=None)  # what came before says nothing of the new scene
                looked = self._look(advance.image, state.image)
                state = replace(state, image=advance.image, image_tokens=looked)
        if advance is not None and advance.step is not None:
            state, spikes = self._advance(state, advance.step, now)
        elif not frame.trusted:
            state = replace(state, running=None, membranes=None, image=None, image_tokens=None)
        state = replace(state, last_ns=now)
        if state.scored_ns is not None and now - state.scored_ns < 0.999e9 / self.label_rate_hz:
            return None, state
        return self._say(frame, state, spikes), replace(state, scored_ns=now)

    def encode(self, segments: Iterable[Segment]) -> Encoded:
        """Encodes a clip that was read in one go, of which the last K segments count."""
        tokens, totals, images, steps, image, looked = [], dict[str, float](), 0, 0, None, None
        for segment in list(segments)[-self.segments :]:
            if segment.image is not image:
                image, looked = segment.image, self._look(segment.image, image)
                images += 1
            state = ActionState(Segmenter(), image_tokens=looked)
            for step in segment.steps:
                state, spikes = self._advance(state, step, segment.end_ns)
                steps += 1
                for layer, share in spikes.items():
                    totals[layer] = totals.get(layer, 0.0) + share
            if state.running:
                tokens.append(state.running)
        return Encoded(tuple(tokens), images, steps, {layer: total / steps for layer, total in totals.items()})

    def score(self, encoded: Encoded, use: tuple[str, ...] = MODALITIES, *, experts: bool = True) -> np.ndarray:
        """Probabilities ``(C,) float32`` of an encoded clip, one per entry of `classes`; zeros without a segment.

        Args:
            encoded: by :meth:`encode`.
            use: modalities whose tokens are used; the others' are zero (to measure the share of each). Without motion
                or residual the network is asked alone: the expert never saw maps that lack one of them.
            experts: False asks the network alone.
        """
        if not encoded.tokens:
            return np.zeros(len(self.classes), np.float32)
        tokens = [_masked(tokens, use, self._places) for tokens in encoded.tokens]
        return self._scores(tokens, with_maps=experts and {"motion", "residual"} <= set(use))

    def label(self, scores: np.ndarray) -> tuple[str, str]:
        """What is said for scores ``(C,)``, and why it is "unknown" ("" otherwise); the one rule, live and stored.

        A label is said where the best entry is not "none" and its score is at least the confidence.
        """
        best = int(scores.argmax())
        if self.classes[best] == NONE or not scores.any():
            return UNKNOWN, "none of the classes" if scores.any() else "nothing seen"
        if scores[best] < self.confidence:
            return UNKNOWN, f"best score {scores[best]:.2f} is below {self.confidence:g}"
        return self.classes[best], ""

    def _look(self, image: np.ndarray, before: np.ndarray | None) -> np.ndarray:
        """Tokens of an I-frame; `before` is the last one, for models that look at what changed."""
        inputs = {"image": image_input(image)[None]}
        if self._compares:
            inputs["before"] = image_input(image if before is None else before)[None]
        result: np.ndarray = self._sessions["i_frame"].run(None, inputs)[0][0]
        return result

    def _advance(self, state: ActionState, step: Step, end_ns: int) -> tuple[ActionState, dict[str, float]]:
        """Moves the P encoder by one step."""
        if state.image_tokens is None:
            return state, {}
        inputs = {
            "motion": step.motion[None],
            "residual": step.residual[None],
            "dt_us": np.array([step.dt_us], np.float32),
            **(state.membranes or self._fresh),
        }
        values = dict(zip(self._outputs, self._sessions["p_frame"].run(None, inputs)))
        membranes = {name: values[name.replace("state_", "next_")] for name in self._fresh}
        spikes = {
            name.removeprefix("spikes_"): float(value[0]) / self._fresh[f"state_{name.removeprefix('spikes_')}"].size
            for name, value in values.items()
            if name.startswith("spikes_")
        }
        before = state.running
        maps = before.maps if before else ()
        if self._describe is not None:
            maps = (*maps, step_map(step))
        camera = (*(before.camera if before else ()), step.camera)
        running = Tokens(end_ns, state.image_tokens, values["tokens"][0], maps, camera)
        return replace(state, membranes=membranes, running=running), spikes

    def _scores(self, tokens: list[Tokens], *, with_maps: bool = True) -> np.ndarray:
        count, wanted = len(tokens), self.segments
        i_tokens = np.zeros((1, wanted, self._places, self._width), np.float32)
        p_tokens = np.zeros((1, wanted, 2 * self._places, self._width), np.float32)
        age_s, valid = np.zeros((1, wanted), np.float32), np.zeros((1, wanted), np.float32)
        for place, token in enumerate(tokens, start=wanted - count):
            i_tokens[0, place], p_tokens[0, place] = token.image, token.motion_and_residual
            age_s[0, place], valid[0, place] = (tokens[-1].end_ns - token.end_ns) / 1e9, 1
        inputs = {"i_tokens": i_tokens, "p_tokens": p_tokens, "age_s": age_s, "valid": valid}
        if self._sees_camera:
            inputs["camera"] = np.zeros((1, wanted, 2), np.float32)
            inputs["camera"][0, wanted - count :] = [np.mean(token.camera, 0) for token in tokens]
        logits = self._sessions["head"].run(None, inputs)[0][0]
        shares = np.exp(logits - logits.max())
        shares /= shares.sum()
        if self._describe is not None and with_maps:
            expert = self._sessions["motion_map"]
            row = self._describe([step for token in tokens for step in token.maps])
            if row.any():
                said = expert.run(None, {expert.get_inputs()[0].name: row[None]})[0][0]
                shares = shares * said if self._expert_multiplies else shares + said
        return np.asarray(shares / shares.sum(), np.float32)

    def _say(self, frame: VideoFrame, state: ActionState, spikes: dict[str, float]) -> ActionScores:
        nothing = np.zeros(len(self.classes), np.float32)
        if not frame.trusted:
            return ActionScores(frame.stamp_ns, UNKNOWN, nothing, f"stream untrusted: {frame.reason}", spikes)
        tokens = [t for t in (*state.finished, state.running) if t and frame.stamp_ns - t.end_ns <= MAX_AGE_NS]
        tokens = tokens[-self.segments :]
        if len(tokens) < self.min_segments:
            reason = f"{len(tokens)} of {self.min_segments} segments seen"
            return ActionScores(frame.stamp_ns, UNKNOWN, nothing, reason, spikes)
        scores = self._scores(tokens)
        label, reason = self.label(scores)
        return ActionScores(frame.stamp_ns, label, scores, reason, spikes)


def describer(expert: Any) -> Callable[[list[np.ndarray]], np.ndarray]:
    """What makes an expert's input ``(D,) float32`` of step maps, told by the input's name and size."""
    value = expert.get_inputs()[0]
    if value.name == "statistics":
        return statistics
    return functools.partial(descriptor, times=value.shape[1] // SIZE_PER_TIME)


def _masked(tokens: Tokens, use: tuple[str, ...], places: int) -> Tokens:
    """Tokens with those of the unused modalities set to zero."""
    parts = [tokens.image, tokens.motion_and_residual[:places], tokens.motion_and_residual[places:]]
    image, motion, residual = (part if name in use else np.zeros_like(part) for name, part in zip(MODALITIES, parts))
    return replace(tokens, image=image, motion_and_residual=np.concatenate([motion, residual]))
