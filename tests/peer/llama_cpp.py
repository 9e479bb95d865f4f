"""llama.cpp as an independent reader and runtime of GGUF files.

The library comes from the wheel xllamacpp, the declarations of its C interface from llama-cpp-py-sync; both are pinned to
neighbouring builds in tools/peer_requirements.txt. Windows are those of llama-perplexity: the text's tokens after a BOS in
runs of 512, the first of each replaced by BOS, the second half scored (255 positions).
"""

import contextlib
import dataclasses
import math

import numpy
import xllamacpp
from llama_cpp_py_sync import _cffi_bindings

WINDOW = 512

ffi = _cffi_bindings.get_ffi()
library = ffi.dlopen(xllamacpp.xllamacpp.__file__)


@ffi.callback("ggml_log_callback")
def be_silent(level, text, data):
    del level, text, data


library.llama_log_set(be_silent, ffi.NULL)
library.llama_backend_init()


@dataclasses.dataclass
class Comparison:
    perplexity: float
    mean_kld: float
    same_top: float


class Model:
    """A GGUF file that llama.cpp has opened."""

    def __init__(self, path, window=WINDOW):
        self.window = window
        parameters = library.llama_model_default_params()
        parameters.n_gpu_layers = 0
        self.model = library.llama_model_load_from_file(str(path).encode(), parameters)
        if self.model == ffi.NULL:
            raise AssertionError(f"llama.cpp cannot load {path}")
        options = library.llama_context_default_params()
        options.n_ctx = options.n_batch = options.n_ubatch = options.n_outputs_max = window
        options.n_threads = options.n_threads_batch = 1  # more would wait in spin locks on a busy machine
        self.context = library.llama_init_from_model(self.model, options)
        if self.context == ffi.NULL:
            raise AssertionError(f"llama.cpp cannot run {path}")
        self.vocabulary = library.llama_model_get_vocab(self.model)
        self.vocabulary_size = library.llama_vocab_n_tokens(self.vocabulary)
        self.bos = library.llama_vocab_bos(self.vocabulary)

    def close(self):
        library.llama_free(self.context)
        library.llama_model_free(self.model)

    def tokens(self, text, with_bos=True, with_control=False):
        """with_control: control pieces such as <|endoftext|> are found in the text, not only user-defined ones."""
        raw = text.encode()
        ids = ffi.new("llama_token[]", len(raw) + 2)
        count = library.llama_tokenize(self.vocabulary, raw, len(raw), ids, len(ids), with_bos, with_control)
        assert count >= 0, count
        return [ids[i] for i in range(count)]

    def text(self, ids):
        buffer = ffi.new("char[]", 64 * len(ids) + 64)
        count = library.llama_detokenize(self.vocabulary, ffi.new("llama_token[]", ids), len(ids), buffer, len(buffer), True, False)
        assert count >= 0, count
        return ffi.buffer(buffer, count)[:].decode()

    def logits(self, ids, first):
        """float32 [len(ids) - first, vocabulary size]: of the positions from `first` on, the cache emptied before."""
        library.llama_memory_clear(library.llama_get_memory(self.context), True)
        batch = library.llama_batch_init(len(ids), 0, 1)
        batch.n_tokens = len(ids)
        for position, token in enumerate(ids):
            batch.token[position], batch.pos[position] = int(token), position
            batch.n_seq_id[position], batch.seq_id[position][0] = 1, 0
            batch.logits[position] = position >= first
        status = library.llama_decode(self.context, batch)
        library.llama_batch_free(batch)
        assert status == 0, f"llama_decode gave {status}"
        rows = len(ids) - first
        values = numpy.frombuffer(ffi.buffer(library.llama_get_logits(self.context), 4 * rows * self.vocabulary_size), numpy.float32)
        return values.reshape(rows, -1).copy()

    def windows(self, text, count):
        ids = self.tokens(text)
        length = self.window
        assert len(ids) >= count * length, f"{len(ids)} tokens are fewer than {count} windows"
        first = [self.bos] if library.llama_vocab_get_add_bos(self.vocabulary) else []
        return [[*first, *ids[k * length + len(first):(k + 1) * length]] for k in range(count)]

    def log_probabilities(self, window):
        """float32 [255, vocabulary size]: of the tokens that follow the scored positions; sums are taken in float64."""
        scores = self.logits(window, self.window // 2)[:-1]
        scores -= scores.max(axis=1, keepdims=True)
        return scores - numpy.log(numpy.exp(scores).sum(axis=1, keepdims=True, dtype=numpy.float64)).astype(numpy.float32)

    def greedy(self, prompt, count):
        """The `count` most likely tokens after the prompt, one by one."""
        ids = self.tokens(prompt)
        for _ in range(count):
            ids.append(int(self.logits(ids, len(ids) - 1)[0].argmax()))
        return ids[-count:]


@contextlib.contextmanager
def opened(path, window=WINDOW):
    model = Model(path, window)
    try:
        yield model
    finally:
        model.close()


def perplexity(path, text, count, window=WINDOW):
    with opened(path, window) as model:
        losses = [loss_of(model.log_probabilities(window), window) for window in model.windows(text, count)]
    return math.exp(numpy.mean(losses))


def loss_of(log_probabilities, window):
    targets = window[len(window) // 2 + 1:]
    return -log_probabilities[numpy.arange(len(targets)), targets].mean(dtype=numpy.float64)


def compare(reference, paths, text, count):
    """Files against a reference, all in llama.cpp's runtime, window by window; the reference itself comes first."""
    with contextlib.ExitStack() as stack:
        models = [stack.enter_context(opened(path)) for path in (reference, *paths)]
        figures = [([], [], []) for _ in models]
        for window in models[0].windows(text, count):
            p = models[0].log_probabilities(window)
            weights, best = numpy.exp(p), p.argmax(axis=1)
            for model, (losses, divergences, agreements) in zip(models, figures):
                q = p if model is models[0] else model.log_probabilities(window)
                losses.append(loss_of(q, window))
                divergences.append((weights * (p - q)).sum(axis=1, dtype=numpy.float64).mean())
                agreements.append((best == q.argmax(axis=1)).mean())
    return [Comparison(math.exp(numpy.mean(losses)), float(numpy.mean(divergences)), float(numpy.mean(agreements)))
            for losses, divergences, agreements in figures]
