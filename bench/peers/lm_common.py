"""What the comparisons of language models share: weights that are worth comparing, `weft run` on a folder, differences."""
import contextlib
import subprocess
import warnings

import numpy as np
import torch
import transformers
from safetensors.numpy import load_file, save_file

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
warnings.simplefilter("ignore")


@contextlib.contextmanager
def in_float64(reading=False):
    """transformers casts rope tables, RMS statistics and softmax to float32 whatever the model's type; here that is float64. While
    a file is read, `reading`, its float32 is what it is."""
    kept = torch.Tensor.float, torch.nn.functional.softmax, torch.float32, torch.float, torch.get_default_dtype()
    torch.Tensor.float = lambda self, *words, **named: self.double()
    torch.nn.functional.softmax = lambda x, dim=None, dtype=None, **named: kept[1](x, dim=dim, dtype=dtype and torch.float64)
    torch.float = torch.float64  # as the models' code names it
    torch.float32 = kept[2] if reading else torch.float64
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.Tensor.float, torch.nn.functional.softmax, torch.float32, torch.float = kept[:4]
        torch.set_default_dtype(kept[4])


def shake(model, seed, stored):
    """Weights that are no powers of a tiny number, in the type that they are stored in: norms away from 1, biases away from 0."""
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn(p.shape, generator=g) * (0.3 if p.dim() > 1 else 0.2))
            p.copy_(p.to(stored))


def difference(a, b):
    return float(np.abs(np.asarray(a, np.float64) - np.asarray(b, np.float64)).max(initial=0.0))


def tolerance(what, stored):
    """A merged weight is rounded; PEFT adds some adapters in float32; gradients are of a tensor's largest value."""
    if what == "merged":
        return 1e-3 if stored == torch.float32 else 0.1
    return 1e-4 if "adapter" in what else 1e-7 if what == "gradient" else 1e-9


def call_weft(weft, words):
    done = subprocess.run([weft] + words, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr.strip())
    return done.stdout


def run_weft(weft, folder, inputs, options):
    save_file(inputs, folder + "/inputs.safetensors")
    call_weft(weft, ["run", folder, folder + "/inputs.safetensors", "--out", folder + "/out.safetensors", "--force"] + options)
    return load_file(folder + "/out.safetensors")
