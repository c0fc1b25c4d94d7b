"""The rows of the table: a ckptread command, its peer, and the target."""

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import data
from data import GIB, MIB
from measure import remove
from peers import (
    H5PY_LIST,
    KERAS_EDITOR,
    KERAS_LOAD,
    NUMPY_DIFF,
    SHA256,
    TF_DIFF,
    TF_EXTRACT,
    TF_LIST,
    ckptread,
    copied,
    program,
    script,
)


@dataclass(frozen=True)
class Row:
    """One comparison."""

    work: str
    command: Sequence[str]
    peer_name: str = ""
    peer: Sequence[str] | None = None
    """None if it is not installed."""
    faster: float | None = None
    """Target: at most the peer's time divided by this."""
    limit_mib: float | None = None
    """Target for the largest ckptread process."""
    least_gb_per_second: float | None = None
    beyond: float | None = None
    """Target: at most the peer's time plus this many seconds."""
    reads: tuple[Path, ...] = ()
    """Checkpoints to drop from the cache for the cold runs."""
    writes: tuple[Path, ...] = ()
    """Output files of both programs, removed before each run."""
    nbytes: int = 0
    """Bytes of values, for a rate."""
    peer_reports: bool = False
    """Whether the peer prints its own seconds, without its preparation."""


class Folder:
    """The checkpoints that rows share, each written when a row first needs it."""

    def __init__(self, path: Path, scale: float) -> None:
        self.path = path
        self.nbytes = max(64 * MIB, int(scale * GIB)) // (64 * MIB) * (64 * MIB)
        self.out = path / "out.npy"

    def tensorflow(self, name: str, *, changed: str = "") -> Path:
        """Return a checkpoint of 129 tensors; ``changed`` gives "one" or "all" of them other values."""
        sizes = data.model(self.nbytes)
        other = data.pool(1)
        names = {"": [], "one": ["dense_032/kernel"], "all": list(sizes)}[changed]
        return self._made(name, lambda path: data.write_tensorflow(path, sizes, dict.fromkeys(names, other)))

    def hdf5(self, name: str, *, changed: bool = False) -> Path:
        """Return an HDF5 file with the same kernels."""
        sizes = {f"dense_{n:03d}": self.nbytes // 64 for n in range(64)}
        other = {"dense_032": data.pool(1)} if changed else {}
        return self._made(name, lambda path: data.write_hdf5(path, sizes, other))

    def keras(self) -> Path:
        """Return a model of 32 weights, saved by Keras."""
        return self._made("model.keras", lambda path: data.write_keras_model(path, self.nbytes))

    def many(self, count: int) -> Path:
        """Return a checkpoint of many small tensors."""
        return self._made(f"many-{count}", lambda path: data.write_tensorflow(path, data.many(count)))

    def large(self, nbytes: int, kind: str = "tf") -> Path:
        """Return a checkpoint of one tensor."""
        name = f"large-{nbytes // MIB}"
        if kind == "keras":
            return self._made(name + ".keras", lambda path: data.write_archive(path, self.large(nbytes, "hdf5")))
        if kind == "hdf5":
            return self._made(name + ".h5", lambda path: data.write_hdf5(path, {"w": nbytes}))
        return self._made(name, lambda path: data.write_tensorflow(path, {"w": nbytes}))

    def _made(self, name, write):
        path = self.path / name
        if not data.files(path):
            print(f"  writing {name} ...", file=sys.stderr, flush=True)
            write(path)
        return path

    def drop(self, *names: str) -> None:
        """Remove checkpoints that no later row needs."""
        for name in names:
            for file in data.files(self.path / name):
                os.unlink(file)


def rows(folder: Folder) -> Iterator[Row]:
    """Yield the rows one by one, writing the data of each when it is needed."""
    yield from _listings(folder)
    yield from _extracts(folder)
    yield from _differences(folder)
    yield from _passes(folder)
    yield from _starts()


def _listings(folder: Folder) -> Iterator[Row]:
    a = folder.tensorflow("a")
    size = f"{folder.nbytes / GIB:g} GiB"
    yield Row(f"inspect a TensorFlow checkpoint, {size}, 129 tensors", ckptread("inspect", a),
              "tf.train.load_checkpoint", script(TF_LIST, a, needs="tensorflow"), 25, 40, reads=(a,))  # fmt: skip
    many = folder.many(20_000)
    yield Row("inspect 20,000 tensors", ckptread("inspect", many), "tf.train.load_checkpoint",
              script(TF_LIST, many, needs="tensorflow"), 10, reads=(many,))  # fmt: skip
    most = folder.many(199_990)
    yield Row("inspect 200,000 tensors", ckptread("inspect", most), "tf.train.load_checkpoint",
              script(TF_LIST, most, needs="tensorflow"), limit_mib=300, reads=(most,))  # fmt: skip
    h5 = folder.hdf5("a.weights.h5")
    yield Row("inspect a .weights.h5 of 64 weights", ckptread("inspect", h5), "a ten-line h5py script",
              script(H5PY_LIST, h5, needs="h5py"), 1 / 1.5, reads=(h5,))  # fmt: skip
    model = folder.keras()
    for name, text in (("KerasFileEditor", KERAS_EDITOR), ("keras load_model", KERAS_LOAD)):
        yield Row(f"inspect a .keras, {size}, 32 weights", ckptread("inspect", model), name,
                  script(text, model, needs="keras"), 100, 64, reads=(model,))  # fmt: skip
    folder.drop("model.keras")


def _extracts(folder: Folder) -> Iterator[Row]:
    a, name = folder.tensorflow("a"), "dense_032/kernel"
    written = (folder.out, folder.path / "peer.npy", folder.path / "copy")
    yield Row("extract a tensor of 1/64 of a TensorFlow checkpoint", ckptread("extract", a, name, "-o", folder.out),
              "TensorFlow and np.save", script(TF_EXTRACT, a, name, folder.path / "peer.npy", needs="tensorflow"), 25,
              reads=(a,), writes=written)  # fmt: skip
    nbytes = 4 * folder.nbytes
    for kind, title in (("tf", "TensorFlow"), ("hdf5", "HDF5"), ("keras", ".keras")):
        large = folder.large(nbytes, kind)
        key = "w" if kind == "tf" else "layers/w/vars/0"
        source = data.files(large)[0]
        yield Row(f"extract a tensor of {nbytes / GIB:g} GiB, {title}",
                  ckptread("extract", large, key, "-o", folder.out), "cp, then sync FILE",
                  copied(source, folder.path / "copy"), 1 / 1.2, 96, nbytes=nbytes, reads=(large,),
                  writes=written)  # fmt: skip
        remove(written)
    folder.drop(*(f"large-{nbytes // MIB}{ending}" for ending in ("", ".h5", ".keras")))


def _differences(folder: Folder) -> Iterator[Row]:
    a, size = folder.tensorflow("a"), f"{folder.nbytes / GIB:g} GiB"
    shard = data.files(a)[0]
    one = folder.tensorflow("one", changed="one")
    yield Row(f"diff two TensorFlow checkpoints of {size}, one tensor changed", ckptread("diff", a, one),
              "TensorFlow and numpy", script(TF_DIFF, a, one, needs="tensorflow"), 7, 160, reads=(a, one))  # fmt: skip
    folder.drop("one")
    same = folder.tensorflow("same")
    yield Row(f"diff two identical TensorFlow checkpoints of {size}", ckptread("diff", a, same), "cmp",
              program("cmp", shard, data.files(same)[0]), 1 / 1.2, 160, reads=(a, same))  # fmt: skip
    folder.drop("same")
    every = folder.tensorflow("every", changed="all")
    yield Row(f"diff two TensorFlow checkpoints of {size}, every tensor changed", ckptread("diff", a, every),
              "numpy in blocks and threads", script(NUMPY_DIFF, shard, data.files(every)[0]), 1 / 1.3, 160,
              reads=(a, every))  # fmt: skip
    folder.drop("every")
    h5, changed = folder.hdf5("a.weights.h5"), folder.hdf5("one.weights.h5", changed=True)
    yield Row(f"diff two .weights.h5 of {size}, one tensor changed", ckptread("diff", h5, changed), "h5diff",
              program("h5diff", h5, changed), 2.5, 160, reads=(h5, changed))  # fmt: skip
    folder.drop("one.weights.h5")
    same = folder.hdf5("same.weights.h5")
    yield Row(f"diff two identical .weights.h5 of {size}", ckptread("diff", h5, same), "cmp",
              program("cmp", h5, same), 1 / 1.5, 160, reads=(h5, same))  # fmt: skip
    folder.drop("same.weights.h5", "a.weights.h5")


def _passes(folder: Folder) -> Iterator[Row]:
    a, size = folder.tensorflow("a"), f"{folder.nbytes / GIB:g} GiB"
    yield Row(f"verify a TensorFlow checkpoint of {size}", ckptread("verify", a), "cat FILE",
              ["sh", "-c", f"cat '{data.files(a)[0]}' > /dev/null"], limit_mib=96, least_gb_per_second=2,
              nbytes=folder.nbytes, reads=(a,))  # fmt: skip
    yield Row(f"digest a TensorFlow checkpoint of {size}", ckptread("digest", a), "sha256 on memory, two threads",
              script(SHA256, 64, folder.nbytes // 64), 1 / 1.1, nbytes=folder.nbytes, peer_reports=True,
              reads=(a,))  # fmt: skip
    yield Row(f"inspect --stats of a TensorFlow checkpoint of {size}", ckptread("inspect", a, "--stats"),
              nbytes=folder.nbytes, reads=(a,))  # fmt: skip


def _starts() -> Iterator[Row]:
    yield Row("import ckptread", [sys.executable, "-c", "import ckptread"], "bare interpreter",
              [sys.executable, "-c", "pass"], beyond=0.025)  # fmt: skip
