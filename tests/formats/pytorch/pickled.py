"""Files as torch.save writes them, made by hand, without torch."""

import pickle
import zipfile


def archive(path, data, members=(), order=None):
    """Write an archive as torch.save does, with this pickle."""
    with zipfile.ZipFile(path, "w") as written:
        written.writestr("archive/data.pkl", data)
        for name, values in dict(members).items():
            written.writestr(f"archive/data/{name}", values)
        if order:
            written.writestr("archive/byteorder", order)
    return path


class Call:
    """Pickled as a call of a name."""

    def __init__(self, module, name, *arguments):
        self.module, self.name, self.arguments = module, name, arguments


class Named:
    """Pickled as a name."""

    def __init__(self, module, name):
        self.module, self.name = module, name


class Stored:
    """Pickled as a persistent id."""

    def __init__(self, *identity):
        self.identity = identity


def dumped(value):
    """Pickle plain values with Call, Named and Stored in them, by hand."""
    if isinstance(value, Call):
        return f"c{value.module}\n{value.name}\n".encode() + dumped(tuple(value.arguments)) + b"R"
    if isinstance(value, Named):
        return f"c{value.module}\n{value.name}\n".encode()
    if isinstance(value, Stored):
        return dumped(tuple(value.identity)) + b"Q"
    if isinstance(value, tuple):
        return b"(" + b"".join(map(dumped, value)) + b"t"
    if isinstance(value, dict):
        return b"}(" + b"".join(dumped(each) for pair in value.items() for each in pair) + b"u"
    return pickle.dumps(value, 2)[2:-1]


def tensor(key="0", count=6, offset=0, shape=(2, 3), strides=(3, 1), storage="FloatStorage"):
    stored = Stored("storage", Named("torch", storage), key, "cpu", count)
    return Call(
        "torch._utils", "_rebuild_tensor_v2", stored, offset, shape, strides, False, Call("collections", "OrderedDict")
    )


def legacy_file(path, pickled, storages=()):
    """Write a file of the older format, with this pickle: ``storages`` is pairs of a key and (elements, bytes)."""
    before = [pickle.dumps(each, 2) for each in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})]
    stored = dict(storages)
    after = b"".join(count.to_bytes(8, "little") + values for count, values in stored.values())
    path.write_bytes(b"".join(before) + pickled + pickle.dumps(list(stored), 2) + after)
    return path
