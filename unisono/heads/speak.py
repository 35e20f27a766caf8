"""speak: text to sound, all frames at once, in the voice of one of several speakers.

Each piece of the text (a state) says what its frames are like on average; monotonic alignment search deals the real
frames out to the pieces by that (Kim et al. 2020, Glow-TTS, https://arxiv.org/abs/2005.11129, section 3; with averages
in the space of mel frames as in Popov et al. 2021, Grad-TTS, https://arxiv.org/abs/2105.06337). How long a piece is
taken to be is learned from these durations (FastSpeech, Ren et al. 2019, https://arxiv.org/abs/1905.09263), and a small
decoder says the frames of the pieces so stretched.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from unisono.dropout import Dropout
from unisono.heads import base
from unisono.heads.align import aligned
from unisono.heads.base import Example, Head, Loss, Prediction, Row, Targets, UnfitRow
from unisono.heads.distill import TEMPERATURE
from unisono.heads.frames import FrameDecoder, stretched
from unisono.heads.heard import SpeakOptions, summary
from unisono.packed import Layout, Packed
from unisono.sounds import MOST_FRAMES, Unreadable

_LENGTHS = ("ids", "symbols")  # fields with an entry for each piece of the text, by stem


class Speak(Head):
    """Log-mel frames of a text, without any alignment given.

    ``fitted``: ``mean`` and ``spread`` (M each) of the bands; ``speakers`` of the training rows, who speaks most first;
    ``unnamed``: whether some of these rows name none. A row to be spoken that names nobody is spoken like these, or
    else by the first speaker.
    """

    Options: ClassVar[type[base.Options]] = SpeakOptions
    labels_in: ClassVar[tuple[str, ...]] = ("audio",)

    options: SpeakOptions

    def __init__(self, width: int, options: SpeakOptions, fitted: dict[str, Any]) -> None:
        super().__init__()
        self.options, self.fitted = options, fitted
        self.analysis = options.analysis()
        self.speakers: tuple[str, ...] = tuple(fitted["speakers"])
        self._number = {name: i for i, name in enumerate(self.speakers, start=1)}
        hidden, bands = options.hidden, options.bands
        self.register_buffer("mean", torch.tensor(fitted["mean"]), persistent=False)
        self.register_buffer("spread", torch.tensor(fitted["spread"]), persistent=False)
        self.mean: Tensor
        self.spread: Tensor
        self.pieces = nn.Linear(width, hidden)
        self.voices = nn.Embedding(1 + len(self.speakers), hidden)  # 0: nobody is named
        nn.init.normal_(self.voices.weight, std=0.3)
        self.mix = nn.Sequential(nn.LayerNorm(hidden), nn.Linear(hidden, hidden), nn.GELU(), Dropout(options.dropout))
        self.average = nn.Linear(hidden, bands)
        self.duration = nn.Sequential(
            nn.Linear(hidden, hidden), nn.GELU(), Dropout(options.dropout), nn.Linear(hidden, 1)
        )
        self.decoder = FrameDecoder(hidden, bands, layers=options.layers, dropout=options.dropout)

    @classmethod
    def fit(cls, rows: Iterable[Row], options: SpeakOptions) -> dict[str, Any]:
        return summary(rows, options)

    def encode(self, row: Row, tokens: Mapping[str, np.ndarray]) -> Example:
        """``voice`` (1,) int32: the speaker's number; ``heard`` (T * M,) float32, frame after frame, none without a
        sound.
        """
        name = row.get("speaker")
        voice = 0 if name is None and (self.fitted["unnamed"] or not self.speakers) else 1
        if name is not None:
            if str(name) not in self._number:
                known = ", ".join(self.speakers[:8]) or "nobody by name"
                raise UnfitRow(f"a speaker whom no training row has; known: {known}")
            voice = self._number[str(name)]
        heard = np.zeros(0, np.float32)
        if row.get("audio") is not None:
            try:
                frames = self.analysis.frames(row["audio"], seconds=self.options.seconds)
            except Unreadable as reason:
                raise UnfitRow(str(reason)) from None
            pieces = next((len(tokens[field]) for field in _LENGTHS if field in tokens), 1)
            if len(frames) < pieces:
                raise UnfitRow("more pieces of text than frames of sound; a smaller hop gives more frames")
            heard = frames.numpy().reshape(-1)
        return {"voice": np.array([voice], np.int32), "heard": heard}

    def collate(self, examples: Sequence[Mapping[str, np.ndarray]]) -> Targets:
        """``voice`` (B,), ``frames`` (B,) how many are known of each row, and ``heard`` (ΣT, M) all of these."""
        bands = self.options.bands
        heard = torch.from_numpy(np.concatenate([e["heard"] for e in examples])).view(-1, bands)
        return {
            "voice": torch.tensor([int(e["voice"][0]) for e in examples]),
            "frames": torch.tensor([len(e["heard"]) // bands for e in examples]),
            "heard": heard,
        }

    def units(self, targets: Targets) -> int:
        """Frames."""
        return len(targets["heard"])

    def loss(self, states: Packed, targets: Targets) -> Loss:
        """Of each frame the mean over bands of |said - heard| and of half the squared distance from its piece's
        average; of each piece the squared error of the logarithm of its duration.
        """
        units = self.units(targets)
        if not units:
            return Loss(states.values.float().sum() * 0, 0)
        kept = _rows(states, targets)
        pieces, voice, frames = kept
        with torch.autocast(states.device.type, enabled=False):
            heard = ((targets["heard"] - self.mean) / self.spread).to(self.average.weight.dtype)  # (ΣT, M)
            hidden = self.hidden(pieces, voice)  # (N, H)
            average = self.average(hidden.values)  # (N, M)
            durations = aligned(hidden.like(average.detach()), Packed(heard, Layout(frames.tolist())))  # (N,)
            said = self._said(hidden, durations)
            near = (said.float() - heard.float()).abs().mean(-1).sum()
            of = torch.arange(len(durations), device=heard.device).repeat_interleave(durations)
            prior = 0.5 * (average[of].float() - heard.float()).square().mean(-1).sum()
            late = (self._log_durations(hidden) - durations.float().log()).square().sum()
        return Loss(near + prior + late, units)

    def distill(
        self, states: Packed, targets: Targets, teacher: Head, taught: Packed, *, temperature: float = TEMPERATURE
    ) -> Loss:
        """Over the frames that the teacher says of rows with a sound, each row counting as many as its sound has."""
        assert isinstance(teacher, Speak)
        units = self.units(targets)
        if not units:
            return Loss(states.values.float().sum() * 0, 0)
        pieces, voice, frames = _rows(states, targets)
        hidden = self.hidden(pieces, voice)
        with torch.no_grad():
            theirs = teacher.hidden(_rows(taught, targets)[0], voice)
            goal = teacher._log_durations(theirs)
            durations = teacher._frames(goal, theirs.layout)
            heard, average = teacher._said(theirs, durations), teacher.average(theirs.values)
        rows = pieces.layout.segments(states.device)
        sums = torch.zeros_like(frames).index_add(0, rows, durations)
        share = frames.float() / sums  # (B,) of a teacher's frame
        near = (self._said(hidden, durations).float() - heard.float()).abs().mean(-1)
        near = near * share.repeat_interleave(sums)
        prior = 0.5 * (self.average(hidden.values).float() - average.float()).square().mean(-1)
        prior = prior * durations * share[rows]
        late = (self._log_durations(hidden) - goal).square()
        return Loss(near.sum() + prior.sum() + late.sum(), units)

    @torch.no_grad()
    def predict(self, states: Packed, targets: Targets, *, speaker: str | None = None) -> list[Prediction]:
        """``{"mel", "durations", "seconds", "speaker", "analysis"}``: T log-mel frames of M numbers, how many of them
        each piece of the text has, how long they sound, who speaks, and the sizes with which
        ``unisono.sounds.Analysis`` makes samples of them.

        Args:
            speaker: of rows that name nobody.

        Raises:
            ValueError: a speaker whom no training row has.
        """
        voice = targets["voice"]
        if speaker is not None:
            if speaker not in self._number:
                raise ValueError(f'nobody in training was called "{speaker}"; known: {", ".join(self.speakers) or "-"}')
            voice = torch.full_like(voice, self._number[speaker])
        hidden = self.hidden(states, voice)
        durations = self._frames(self._log_durations(hidden), states.layout)
        said = self._said(hidden, durations).float() * self.spread.float() + self.mean.float()
        own = durations.split(list(states.layout.lengths))
        mels = said.clamp(min=self.analysis.floor).split([int(d.sum()) for d in own])
        analysis = self.analysis.config()
        return [
            {
                "mel": mel.tolist(),
                "durations": d.tolist(),
                "seconds": self.analysis.seconds(len(mel)),
                "speaker": self.speakers[v - 1] if v else None,
                "analysis": analysis,
            }
            for mel, d, v in zip(mels, own, voice.tolist(), strict=True)
        ]

    def hidden(self, states: Packed, voice: Tensor) -> Packed:
        """(N, D) and (B,) -> (N, H): what each piece of the text is in a voice."""
        rows = states.layout.segments(states.device)
        x = self.pieces(states.values.to(self.pieces.weight.dtype)) + self.voices(voice)[rows]
        return states.like(x + self.mix(x))

    def _said(self, hidden: Packed, durations: Tensor) -> Tensor:
        """(N, H), (N,) -> (ΣT, M) normalized frames."""
        out: Tensor = self.decoder(*stretched(hidden, durations))
        return out

    def _log_durations(self, hidden: Packed) -> Tensor:
        """(N, H) -> (N,) float32. Nothing goes back from here to what the sound is like: Glow-TTS, section 3.3."""
        out: Tensor = self.duration(hidden.values.detach()).squeeze(-1).float()
        return out

    def _frames(self, log_durations: Tensor, layout: Layout) -> Tensor:
        """(N,) -> (N,) int64 frames of each piece, 1 at least, of a row no more than can be made a sound."""
        lengths = torch.tensor(layout.lengths, device=log_durations.device)
        most = (MOST_FRAMES // lengths).clamp(min=1)[layout.segments(log_durations.device)]
        return log_durations.exp().nan_to_num(1).round().clamp(min=1).minimum(most).long()


def _rows(states: Packed, targets: Targets) -> tuple[Packed, Tensor, Tensor]:
    """The rows that have a sound: their states, voices (B,) and numbers of frames (B,)."""
    frames = targets["frames"]
    has = frames > 0
    if bool(has.all()):
        return states, targets["voice"], frames
    parts = states.split()
    kept = [parts[b] for b in has.nonzero()[:, 0].tolist()]
    return Packed.join(kept), targets["voice"][has], frames[has]
