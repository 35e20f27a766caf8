"""Graphs: the sessions of ONNX Runtime that an export is run by."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from .bundle import ONE, Bundle
from .errors import Damaged, ExportedError
from .pack import Pack

Arrays = Mapping[str, np.ndarray]
Climb = Generator[tuple[Pack, np.ndarray, int], Sequence[int] | None, None]


class Asked(NamedTuple):
    """A head's graph, and its inputs beside the states: ``index``, the places of the pack that it is to read."""

    graph: str
    fields: Arrays


class Pass(Protocol):
    """What runs graphs."""

    def __call__(self, pack: Pack, asked: Sequence[Asked]) -> list[Arrays]:
        """One pass of the encoder, and what each head's graph gives."""

    def climb(self, pack: Pack) -> Climb:
        """After each of the trunk's graphs the pack, its states (N, D), and how many layers are done. What is sent back
        are the numbers of the sequences that go on, at least one; ``next`` lets all go on.
        """

    def run(self, graph: str, fields: Arrays) -> Arrays:
        """What a graph gives, by its name."""


class Graphs:
    """Runs the graphs of a folder. Sessions may be run from several threads at once.

    Args:
        threads: for one operator; None: as many as there are cores.
    """

    def __init__(self, bundle: Bundle, threads: int | None) -> None:
        self._floors = bundle.manifest.floors or {"encoder": 0}
        large = {*self._floors, *(task.step for task in bundle.manifest.tasks.values())}
        large |= {stem.graph for stem in bundle.manifest.stems.values()}
        large |= {task.graph for task in bundle.manifest.tasks.values() if task.reads == "patches"}
        # Any other head is a few small products: threads would cost more than they bring.
        self._sessions = {
            name: session(content, name, threads if name in large else 1) for name, content in bundle.graphs.items()
        }
        told = bundle.manifest.graphs
        for name, opened in self._sessions.items():
            inputs, outputs = ({each.name for each in some} for some in (opened.get_inputs(), opened.get_outputs()))
            if inputs != set(told[name].inputs) or not set(told[name].outputs) <= outputs:
                raise Damaged(f'graph "{name}": its inputs and outputs are not those that the manifest names')
        self._reads = {name: told[name].inputs for name in self._floors}
        self._outputs = {name: list(graph.outputs) for name, graph in told.items()}

    def __call__(self, pack: Pack, asked: Sequence[Asked]) -> list[Arrays]:
        *_, (_, states, _) = self.climb(pack)
        return [self.run(graph, {"states": states, **fields}) for graph, fields in asked]

    def climb(self, pack: Pack) -> Climb:
        inputs = pack.inputs(self.run)
        for floor, layers in self._floors.items():
            (states,) = self._sessions[floor].run(["states"], {name: inputs[name] for name in self._reads[floor]})
            going = yield pack, states, layers
            if going is not None and len(going) < len(pack.lengths):
                pack, places = pack.kept(going)
                states = states[places]
            inputs = {**pack.fields, "below": states}

    def run(self, graph: str, fields: Arrays) -> Arrays:
        names = self._outputs[graph]
        return dict(zip(names, self._sessions[graph].run(names, fields), strict=True))


class OneGraph:
    """Runs an export that is one file: the encoder and all heads in one graph, of which only what is asked is run."""

    def __init__(self, bundle: Bundle, threads: int | None) -> None:
        import onnxruntime

        self._session = session(bundle.graphs[ONE], ONE, threads)
        self._how = onnxruntime.RunOptions()
        self._how.only_execute_path_to_fetches = True
        self._ranks = {each.name: len(each.shape) for each in self._session.get_inputs()}
        self._outputs = [each.name for each in self._session.get_outputs()]
        for task in bundle.manifest.tasks.values():
            if f"{task.graph}.index" not in self._ranks or not self._of(task.graph):
                raise Damaged(f'task "{task.name}": the graph has no inputs or outputs for it')

    def __call__(self, pack: Pack, asked: Sequence[Asked]) -> list[Arrays]:
        given = {f"{graph}.{name}": value for graph, fields in asked for name, value in fields.items()}
        fields = {
            name: pack.fields[name]
            if name in pack.fields
            else given.get(name, np.zeros((1,) * rank, np.int64))  # no one looks at what comes of that
            for name, rank in self._ranks.items()
        }
        names = [name for graph, _ in asked for name in self._of(graph)]
        found = dict(zip(names, self._session.run(names, fields, self._how), strict=True))
        return [{n.removeprefix(f"{graph}."): found[n] for n in self._of(graph)} for graph, _ in asked]

    def climb(self, pack: Pack) -> Climb:
        """There are no exits in one file."""
        raise ExportedError("an export that is one file holds the trunk in one piece; use a folder")

    def run(self, graph: str, fields: Arrays) -> Arrays:
        """Heads that write need graphs of their own."""
        raise ExportedError("an export that is one file holds no head that writes; use a folder")

    def _of(self, graph: str) -> list[str]:
        return [name for name in self._outputs if name.startswith(f"{graph}.")]


def session(content: bytes, name: str, threads: int | None) -> Any:
    """A session on the CPU.

    Raises:
        ExportedError: ONNX Runtime is not installed. Damaged: it cannot run the graph.
    """
    try:
        import onnxruntime
    except ImportError:
        raise ExportedError("an export runs on ONNX Runtime: pip install onnxruntime") from None
    options = onnxruntime.SessionOptions()
    options.inter_op_num_threads = 1
    if threads:
        options.intra_op_num_threads = threads
    # Threads that wait sleep: between requests, and beside other sessions, spinning takes the processor from others.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3  # errors: they come as exceptions, too
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # it raises many kinds
        told = str(error).strip().splitlines() or [type(error).__name__]
        raise Damaged(f'graph "{name}": ONNX Runtime cannot run it: {told[0][:200]}') from None
