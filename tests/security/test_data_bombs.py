"""Files of data that are larger than they look: each stays within half of the memory, as a whole."""

import gzip
import io
import resource
import struct
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from prunus.data import cifar, idx, image_folder, load_data, npz, svhn
from prunus.spec import Part
from prunus.system import memory, reading
from security.confined import confined
from tiny_files import write_cifar10, write_images, write_mnist, write_svhn

HALF_OF_MEMORY = 32 << 20
MOST_BYTES = 96 << 20


def npy(array):
    file = io.BytesIO()
    np.lib.format.write_array(file, array)
    return file.getvalue()


SMALL = {"x_train": np.zeros((2, 4), np.float32), "y_train": np.arange(2),
         "x_test": np.zeros((2, 4), np.float32), "y_test": np.arange(2)}  # fmt: skip
HUGE = np.zeros((100_000, 1, 32, 32), np.uint8)  # a hundred megabytes of one value


def archive(path, entries, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, array in entries:
            file.writestr(name, npy(array))


def names_that_are_one(path):
    others = [(f"{name}.npy", array) for name, array in SMALL.items()]
    archive(path, [("x_train", HUGE), *others])


def names_that_are_one_the_other_way(path):
    others = [(name, array) for name, array in SMALL.items() if name != "x_train"]
    archive(path, [("x_train.npy", HUGE), ("x_train", SMALL["x_train"]), *others])


def the_same_name_twice(path):
    others = [(f"{name}.npy", array) for name, array in SMALL.items()]
    with pytest.warns(UserWarning, match="Duplicate name"):
        archive(path, [("x_train.npy", HUGE), *others])


def compressed_otherwise(path):
    archive(path, [(f"{name}.npy", HUGE if name == "x_train" else array) for name, array in SMALL.items()],
            zipfile.ZIP_BZIP2)  # fmt: skip


def overlapping_members(path):
    """Every entry of the directory points at the same compressed bytes."""
    names = [f"{name}.npy" for name in SMALL]
    content = npy(np.zeros((12 << 20,), np.uint8))
    packed = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = packed.compress(content) + packed.flush()
    crc, result, places = zlib.crc32(content), b"", []
    for name in names:
        places.append(len(result))
        header = struct.pack("<IHHHHHIIIHH", 0x04034B50, 20, 0, 8, 0, 0, crc, len(data), len(content), len(name), 0)
        result += header + name.encode() + data
    begin = len(result)
    for name, place in zip(names, places, strict=True):
        result += struct.pack("<IHHHHHHIIIHHHHHII", 0x02014B50, 20, 20, 0, 8, 0, 0, crc, len(data), len(content),
                              len(name), 0, 0, 0, 0, 0, place) + name.encode()  # fmt: skip
    size = len(result) - begin
    path.write_bytes(result + struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, len(names), len(names), size, begin, 0))


def labels_that_grow(path):
    archive(path, [(f"{name}.npy", np.zeros(20 << 20, np.int8) if name[0] == "y" else array)
                   for name, array in SMALL.items()])  # fmt: skip


def names_of_classes_that_grow(path):
    archive(path, [*((f"{name}.npy", array) for name, array in SMALL.items()), ("classes.npy", np.zeros(1 << 20))])


def a_class_with_a_huge_number(path):
    archive(path, [(f"{name}.npy", array + (1 << 40) * (name == "y_test")) for name, array in SMALL.items()])


def a_header_that_promises_a_terabyte(path):
    archive(path, [(f"{name}.npy", array) for name, array in SMALL.items()])
    with zipfile.ZipFile(path) as file:
        contents = {name: file.read(name) for name in file.namelist()}
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (1 << 40,)})
    with zipfile.ZipFile(path, "w") as file:
        for name, content in (contents | {"x_train.npy": header.getvalue()}).items():
            file.writestr(name, content)


ARCHIVES = [
    names_that_are_one, names_that_are_one_the_other_way, the_same_name_twice, compressed_otherwise,
    overlapping_members, labels_that_grow, names_of_classes_that_grow, a_class_with_a_huge_number,
    a_header_that_promises_a_terabyte,
]  # fmt: skip


@pytest.fixture(autouse=True)
def little_memory(monkeypatch):
    for module in (reading, npz, svhn, image_folder, idx, cifar):
        monkeypatch.setattr(module, "half_of_memory", lambda: HALF_OF_MEMORY)
    monkeypatch.setattr(memory, "half_of_memory", lambda: HALF_OF_MEMORY)


def refused(name, tmp_path, **settings):
    verdict = confined(lambda: load_data(Part(name=name, settings=settings)), tmp_path)
    assert verdict.kind == "InputError", verdict
    assert verdict.peak_bytes < MOST_BYTES, verdict
    return verdict.message


@pytest.mark.parametrize("write", ARCHIVES)
def test_archives_that_unpack_to_more_than_they_may(write, tmp_path):
    archive(tmp_path / "small.npz", [(f"{name}.npy", array) for name, array in SMALL.items()])
    load_data(Part(name="npz", settings={"file": str(tmp_path / "small.npz")}))
    write(tmp_path / "mine.npz")
    refused("npz", tmp_path, file=str(tmp_path / "mine.npz"))


def test_labels_of_a_few_kilobytes_that_become_gigabytes(tmp_path):
    write_mnist(tmp_path, compressed=True)
    count = 30 << 20
    labels = bytes([0, 0, 8, 1]) + count.to_bytes(4, "big") + bytes(count)
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))
    assert "train-labels" in refused("mnist", tmp_path, folder=str(tmp_path))


def test_six_files_that_are_each_small_enough(tmp_path):
    write_cifar10(tmp_path)
    for number in range(1, 6):
        with (tmp_path / f"data_batch_{number}.bin").open("r+b") as file:
            file.truncate(3073 * 3000)
    assert "data_batch_1.bin" in refused("cifar10", tmp_path, folder=str(tmp_path))


def test_a_matrix_that_is_longer_than_its_shape(tmp_path):
    """Its compressed element holds a hundred megabytes, and says that it is an image."""
    write_svhn(tmp_path)
    load_data(Part(name="svhn", settings={"folder": str(tmp_path)}))
    path = tmp_path / "train_32x32.mat"
    savemat(path, {"X": np.zeros((32, 32, 3, 1), np.uint8), "y": np.zeros((1, 1), np.uint8)})
    content = path.read_bytes()
    element = bytearray(content[128:])
    data = element.index(struct.pack("<II", 2, 3072))  # unsigned bytes, so many
    longer = element[:data] + struct.pack("<II", 2, 100 << 20) + bytes(100 << 20)
    longer[4:8] = struct.pack("<I", len(longer) - 8)
    packed = zlib.compress(bytes(longer))
    path.write_bytes(content[:128] + struct.pack("<II", 15, len(packed)) + packed)
    refused("svhn", tmp_path, folder=str(tmp_path))


def test_images_for_training_and_for_testing_share_the_memory(tmp_path):
    write_images(tmp_path / "images")
    load_data(Part(name="image-folder", settings={"folder": str(tmp_path / "images")}))
    for part, colour in (("train", "red"), ("test", "blue")):
        for number in range(7):
            Image.new("1", (1000, 1000)).save(tmp_path / "images" / part / colour / f"{number:02}.png")
    message = refused("image-folder", tmp_path, folder=str(tmp_path / "images"), size=[1000, 1000])
    assert "take over half of the memory" in message


def test_a_small_file_asks_for_no_more_than_it_has(tmp_path):
    (tmp_path / "small").write_bytes(bytes(5000))

    def read():
        resource.setrlimit(resource.RLIMIT_DATA, (memory._data_bytes() + (8 << 20),) * 2)
        assert reading.read_whole(tmp_path / "small", 1 << 40) == bytes(5000)

    assert confined(read, tmp_path).kind == ""
