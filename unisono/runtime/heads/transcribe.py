"""transcribe: speech to text, by what each state of the sound says (CTC) or by a decoder that is run step by step."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from ..ctc import best_path, prefix_search
from ..errors import Damaged
from ..logits import log_softmax
from ..pack import Pack
from ..questions import Prediction
from ..search import Terms, beam, greedy
from ..stepwise import finish
from .base import Arrays, Example, Head, Run
from .decoder import Decoder

BEGIN, END, FIRST = 0, 1, 2  # of the decoder's symbols; characters follow


class Transcribe(Head):
    """By CTC ``logits`` (W, V) of the states of all sounds; by attention keys and values -> ``{"text"}``."""

    roles = ("audio",)
    options: ClassVar[tuple[str, ...]] = ("beams",)

    def setup(self, files: Mapping[str, str], step: Run | None) -> None:
        said = self.task.decode
        self.characters, self.beams = said.texts("characters", least=1), said.whole("beams", 1, 1000)
        attention = said.text("decoder", ("ctc", "attention")) == "attention"
        self.decoder = Decoder(self, step) if attention else None

    def index(self, pack: Pack, numbers: Sequence[int], examples: Sequence[Example]) -> np.ndarray:
        if self.decoder is not None:
            return super().index(pack, numbers, examples)
        starts = pack.starts[np.asarray(numbers)]
        return np.concatenate(
            [start + np.arange(n) for start, n in zip(starts, self._steps(examples), strict=True)]
        ).astype(np.int64)

    def steps(
        self,
        outputs: Arrays,
        examples: Sequence[Example],
        *,
        partial: bool = False,
        beams: int | None = None,
        **options: Any,
    ) -> Generator[Mapping[int, Prediction], None, list[Prediction]]:
        yield from ()
        found = (self._aligned if self.decoder is None else self._written)(outputs, examples, beams or self.beams)
        return [{"text": "".join(self.characters[n] for n in one).strip()} for one in found]

    def predict(self, outputs: Arrays, examples: Sequence[Example]) -> list[Prediction]:
        return finish(self.steps(outputs, examples))

    def _aligned(self, outputs: Arrays, examples: Sequence[Example], beams: int) -> list[list[int]]:
        """The characters of each sound, by CTC."""
        steps = self._steps(examples)
        scores = log_softmax(self.output(outputs, "logits", sum(steps), len(self.characters) + 1))
        parts = np.split(scores, np.cumsum(steps)[:-1])
        read = [best_path(own) if beams == 1 else prefix_search(own, beams) for own in parts]
        return [[n - 1 for n in one] for one in read]  # the blank is none of them

    def _written(self, outputs: Arrays, examples: Sequence[Example], beams: int) -> list[list[int]]:
        """The same, by attention."""
        assert self.decoder is not None
        terms = Terms(BEGIN, END, FIRST, self.decoder.longest)
        out: list[list[int]] = [[] for _ in examples]
        for part, decoding in self.decoder.parts(outputs, self._steps(examples), beams):
            search = greedy(decoding, terms) if beams == 1 else beam(decoding, terms, beams=beams, length_penalty=1.0)
            for b, ids in zip(part, finish(search), strict=True):
                out[b] = [n - FIRST for n in ids]
        return out

    def _steps(self, examples: Sequence[Example]) -> list[int]:
        """How many states each sound has.

        Raises:
            Damaged: what reads the inputs says no such thing.
        """
        if not all("steps" in example for example in examples):
            raise Damaged(f'task "{self.task.name}": it reads sounds, and the export has no stem for them')
        return [int(example["steps"][0]) for example in examples]
