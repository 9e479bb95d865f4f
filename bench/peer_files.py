"""llama-quantize's files of a model, with llama-imatrix's importance matrix of the calibration text; the matrix is made once a text."""
import hashlib
import json

import interleaved as run

IMATRIX_WINDOWS = 200
EVAL_WINDOWS = 40
# llama-quantize has no type for the rows of 16 columns that Mamba's time step has, and stops.
KEPT = ("--tensor-type", "ssm_dt=f32")


def importance(model, a):
    text = hashlib.sha256(a.calib.read_bytes()).hexdigest()[:8]
    out = run.MADE / "peer" / f"{model.name}-{text}-imatrix.gguf"
    if not out.exists():
        out.parent.mkdir(parents=True, exist_ok=True)
        run.output_of(run.PEER / "llama-imatrix", "-m", run.packaged(model, "bf16"), "-f", a.calib, "-o", out, "-c", 512,
                      "--chunks", IMATRIX_WINDOWS, "-t", a.threads)
    return out


def quantized(model, scheme, a):
    out = run.MADE / "peer" / f"{model.name}-{scheme}.gguf"
    matrix = importance(model, a)
    run.output_of(run.PEER / "llama-quantize", "--imatrix", matrix, *KEPT, run.packaged(model, "bf16"), out, scheme, a.threads)
    return out


def measured(file, model, a):
    """quern's evaluation of any GGUF file against the original, in f32."""
    said = run.output_of(run.QUERN, "eval", file, "--against", model, "--text", a.eval, "--windows", EVAL_WINDOWS, "--compute", "f32",
                         "--threads", a.threads, "--json", "--quiet")
    return json.loads(said)
