"""Writes the files of this folder with the reference implementations: numpy, safetensors. Needs both; run in this folder."""
import numpy as np
from safetensors.numpy import save_file

i = np.arange(6).reshape(2, 3)
f = i - 2.5
arrays = {"f64": f, "f32": f.astype("f4"), "f16": f.astype("f2"), "i64": (i - 2) << 40, "i32": ((i - 2) * 100000).astype("i4"),
          "i16": ((i - 2) * 1000).astype("i2"), "i8": (i - 2).astype("i1"), "u8": (i * 50).astype("u1"), "bool": i % 2 == 0,
          "scalar": np.array(7.25, "f4"), "empty.é": np.zeros((0, 4), "f4")}
save_file(arrays, "mixed.safetensors", metadata={"format": "np"})

np.savez("stored.npz", **arrays)
np.savez_compressed("deflated.npz", **arrays, zeros=np.zeros(10000))
np.save("c_order.npy", f)
np.save("f_order.npy", np.asfortranarray(np.arange(24, dtype="i4").reshape(2, 3, 4)))
np.save("big_endian.npy", np.arange(5, dtype=">f4") * 0.5)
np.save("u16.npy", np.array([0, 1, 65535], "u2"))
np.save("u64.npy", np.array([0, 1, 2**63 - 1], "u8"))
np.save("u64_large.npy", np.array([0, 2**63], "u8"))
np.save("text.npy", np.array(["a", "bc"]))
np.save("complex.npy", np.array([1j]))
np.save("record.npy", np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]))
np.save("object.npy", np.array([None], dtype=object), allow_pickle=True)
for version in ((2, 0), (3, 0)):
    with open(f"version{version[0]}.npy", "wb") as out:
        np.lib.format.write_array(out, f, version=version)
