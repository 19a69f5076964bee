"""Sentence embedders: text to unit vectors; on a processor the same text always gives the same bits."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kgrag.errors import ModelError
from kgrag.models.convert import local_folder, openvino_folder, pull_model, transformers_folder
from kgrag.models.device import has_cuda
from kgrag.models.download import ProgressCallback, no_progress
from kgrag.models.registry import ModelEntry, all_models, find_model
from kgrag.models.token_batches import bucket_batches, mean_pool, padded_length
from kgrag.protocols import Embedder, Matrix

TOKEN_ENCODER = "all-MiniLM-L6-v2"
"""The embedder on whose token states `ingest.relations.classifier` was trained."""
_STATES_LAYER = "__module.encoder.layer.3.output.LayerNorm/aten::layer_norm/Add"
"""The output of the fourth of its six layers: of the layers tried, the best for names and relations."""


class TokenStates(NamedTuple):
    """The encoding of a text by an embedder.

    ``vector`` is (dimensions,), or (0,) if it was not computed. ``spans`` is (tokens, 2): characters, end exclusive.
    ``states`` is (tokens, width). Text beyond the last span was truncated.
    """

    vector: Matrix
    spans: NDArray[np.int32]
    states: Matrix


def load_embedder(name: str = "all-MiniLM-L6-v2", progress: ProgressCallback = no_progress) -> Embedder:
    """Load an embedder of the registry or of a folder, and pull it first if it is not on this machine.

    Raises:
        ModelError: the name is unknown, belongs to another kind of model, or the model cannot be pulled.
    """
    model = find_model(name)
    if model.kind != "embedder":
        names = " or ".join(entry.name for entry in all_models() if entry.kind == "embedder")
        raise ModelError(f"Expected an embedder, found the language model {model.name!r}: choose {names}.")
    folder = local_folder(model) or pull_model(name, progress)
    if has_cuda():
        return SentenceTransformersEmbedder(model, transformers_folder(model, folder))
    return OpenVINOEmbedder(model, openvino_folder(model, folder))


@lru_cache(maxsize=1)
def load_token_encoder() -> OpenVINOEmbedder:
    """Load the embedder `TOKEN_ENCODER` on a processor, once a process; pull it first if necessary.

    Raises:
        ModelError: it cannot be pulled or loaded.
    """
    model = find_model(TOKEN_ENCODER)
    return OpenVINOEmbedder(model, openvino_folder(model, local_folder(model) or pull_model(TOKEN_ENCODER)))


def provides_token_states(embedder: Embedder) -> bool:
    """Whether an embedder's vectors are those that `load_token_encoder` returns along with the token states."""
    return isinstance(embedder, OpenVINOEmbedder) and embedder.model == find_model(TOKEN_ENCODER)


class OpenVINOEmbedder:
    """Mean-pooled sentence vectors computed by OpenVINO on a processor.

    A vector depends on the text alone, bit for bit, not on the other texts of the call. Every text is padded to its own
    length bucket, and a batch holds texts of one bucket. ``OMP_NUM_THREADS`` sets the number of threads.
    """

    def __init__(self, model: ModelEntry, folder: Path) -> None:
        """Load the IR and the tokenizer in ``folder``.

        Raises:
            ModelError: the folder's files cannot be read.
        """
        import openvino  # type: ignore[import-untyped, unused-ignore]
        from tokenizers import Tokenizer  # type: ignore[import-untyped, unused-ignore]

        self.model = model
        self.name = Path(model.name).name
        self.languages = model.languages
        core = openvino.Core()
        # Half the time, and a cosine of .9999 to single precision; emulated and slow if the processor lacks it.
        precision = "bf16" if "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "f32"
        settings = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "THROUGHPUT"}
        if os.environ.get("OMP_NUM_THREADS", "").isdigit():
            settings["INFERENCE_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"]
        try:
            self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            graph = core.read_model(folder / "openvino_model.xml")
            has_states = model.name == TOKEN_ENCODER  # other encoders may have a layer of this name
            inner = [op.output(0) for op in graph.get_ops() if has_states and op.get_friendly_name() == _STATES_LAYER]
            graph.add_outputs(inner)  # the first output stays the last layer
            self._compiled = core.compile_model(graph, "CPU", settings)
            # the states need no later layer, which is a third of the work
            lower_graph = openvino.Model(inner, graph.get_parameters()) if inner else None
            self._lower = core.compile_model(lower_graph, "CPU", settings) if lower_graph else None
        except Exception as error:  # both libraries raise plain Exception and RuntimeError
            reason = str(error).strip().splitlines()[-1]
            raise ModelError(
                f"The embedder in {folder} cannot be loaded ({reason}): delete the folder and pull {model.name} again."
            ) from error
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(model.context)
        self._inputs = {port.get_any_name() for port in self._compiled.inputs}
        self._queue = openvino.AsyncInferQueue(self._compiled)
        self._lower_queue = openvino.AsyncInferQueue(self._lower) if self._lower else None
        self._request = self._compiled.create_infer_request()
        self._lock = threading.Lock()  # a queue and a request each serve one call at a time
        self.dimensions = model.dimensions or int(self.embed_query("size").shape[0])

    def embed(self, texts: Sequence[str]) -> Matrix:
        """Return the vectors of passages, (texts, dimensions), float32, rows of length 1, in the order of the texts."""
        vectors = np.zeros((len(texts), self.dimensions), np.float32)

        def collect(request: Any, rows: list[int], mask: Matrix) -> None:
            vectors[rows] = mean_pool(request.get_output_tensor(0).data, mask)

        prefix = self.model.passage_prefix
        token_ids = [encoding.ids for encoding in self._tokenizer.encode_batch([prefix + text for text in texts])]
        self._run_batches(self._queue, token_ids, collect)
        return vectors

    def embed_tokens(self, texts: Sequence[str], *, is_query: bool = False) -> list[Matrix]:
        """Return the vectors of each text's tokens, (tokens, dimensions), float32; `embed` scales their mean."""
        tokens: dict[int, Matrix] = {}
        prefix = self.model.query_prefix if is_query else self.model.passage_prefix
        token_ids = [encoding.ids for encoding in self._tokenizer.encode_batch([prefix + text for text in texts])]

        def collect(request: Any, rows: list[int], mask: Matrix) -> None:
            hidden = request.get_output_tensor(0).data
            for batch_row, row in enumerate(rows):
                tokens[row] = hidden[batch_row, : len(token_ids[row])].astype(np.float32)

        self._run_batches(self._queue, token_ids, collect)
        return [tokens[row] for row in range(len(texts))]

    def _run_batches(
        self, queue: Any, token_ids: Sequence[list[int]], collect: Callable[[Any, list[int], Matrix], None]
    ) -> None:
        """Call ``collect`` with every batch: its outputs, the numbers of its texts, and their mask (texts, width)."""
        with self._lock:
            queue.set_callback(lambda request, data: collect(request, *data))
            for rows, width in bucket_batches([len(ids) for ids in token_ids]):
                feed, mask = self._model_inputs([token_ids[row] for row in rows], width)
                queue.start_async(feed, (rows, mask))
            queue.wait_all()

    def compute_token_states(self, texts: Sequence[str], *, with_vectors: bool = True) -> list[TokenStates]:
        """Return the states of each text's tokens in the fourth layer and, on request, its vector as in `embed`."""
        token_states: list[TokenStates | None] = [None] * len(texts)
        encoded = self._tokenizer.encode_batch(list(texts))

        def collect(request: Any, rows: list[int], mask: Matrix) -> None:
            if with_vectors:
                vectors = mean_pool(request.get_output_tensor(0).data, mask)
            else:
                vectors = np.zeros((len(rows), 0), np.float32)
            states = request.get_output_tensor(1 if with_vectors else 0).data
            for batch_row, row in enumerate(rows):
                spans = np.array(encoded[row].offsets, np.int32).reshape(-1, 2)
                token_states[row] = TokenStates(vectors[batch_row], spans, states[batch_row, : len(spans)].copy())

        queue = self._queue if with_vectors else self._lower_queue
        self._run_batches(queue, [encoding.ids for encoding in encoded], collect)
        return [states for states in token_states if states is not None]

    def embed_query(self, text: str) -> Matrix:
        """Return (dimensions,), float32, of length 1."""
        ids = self._tokenizer.encode(self.model.query_prefix + text).ids
        feed, mask = self._model_inputs([ids], padded_length(len(ids)))
        with self._lock:
            self._request.infer(feed)
            vector: Matrix = mean_pool(self._request.get_output_tensor(0).data, mask)[0]
        return vector

    def _model_inputs(self, token_ids: list[list[int]], width: int) -> tuple[dict[str, NDArray[np.int64]], Matrix]:
        """Return the model's inputs for texts of one bucket, and their mask (texts, width)."""
        padded = np.zeros((len(token_ids), width), np.int64)
        mask = np.zeros((len(token_ids), width), np.int64)
        for row, ids in enumerate(token_ids):
            padded[row, : len(ids)] = ids
            mask[row, : len(ids)] = 1
        feed = {"input_ids": padded, "attention_mask": mask, "token_type_ids": np.zeros_like(padded)}
        return {name: value for name, value in feed.items() if name in self._inputs}, mask.astype(np.float32)


class SentenceTransformersEmbedder:
    """Sentence vectors computed by sentence-transformers on a CUDA device."""

    def __init__(self, model: ModelEntry, folder: Path, device: str = "cuda") -> None:
        """Load the transformers folder ``folder`` on ``device``."""
        from sentence_transformers import SentenceTransformer

        self.model = model
        self.name = Path(model.name).name
        self.languages = model.languages
        self._encoder = SentenceTransformer(str(folder), device=device)
        self._encoder.max_seq_length = min(self._encoder.max_seq_length or model.context, model.context)
        self.dimensions = model.dimensions or int(self.embed_query("size").shape[0])

    def embed(self, texts: Sequence[str]) -> Matrix:
        """Return (texts, dimensions), float32, rows of length 1, in the order of the texts."""
        return self._encode([self.model.passage_prefix + text for text in texts])

    def embed_query(self, text: str) -> Matrix:
        """Return (dimensions,), float32, of length 1."""
        vector: Matrix = self._encode([self.model.query_prefix + text])[0]
        return vector

    def embed_tokens(self, texts: Sequence[str], *, is_query: bool = False) -> list[Matrix]:
        """Return the vectors of each text's tokens, (tokens, dimensions), float32; `embed` scales their mean."""
        prefix = self.model.query_prefix if is_query else self.model.passage_prefix
        encoded = self._encoder.encode(
            [prefix + text for text in texts], output_value="token_embeddings", show_progress_bar=False
        )
        return [tokens.float().cpu().numpy() for tokens in encoded]

    def _encode(self, texts: list[str]) -> Matrix:
        if not texts:
            return np.zeros((0, self.dimensions), np.float32)
        encoded = self._encoder.encode(
            texts, batch_size=64, normalize_embeddings=True, convert_to_numpy=True, show_progress_bar=False
        )
        return np.asarray(encoded, dtype=np.float32)
