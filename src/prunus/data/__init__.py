"""Data sets by name, or from the user's own files and functions.

To add one: a frozen class with `load` in a file of its own, and one line here.

What stays out: networks, and whatever unpickles. Augmentation belongs to training.
"""

from prunus.data.cifar import Cifar10, Cifar100
from prunus.data.dataset import DATA, Dataset, DataSource, Split
from prunus.data.digits import Digits
from prunus.data.hf_dataset import HfDataset
from prunus.data.image_folder import ImageFolder
from prunus.data.load import data_names, data_source, load_data
from prunus.data.mnist import FashionMnist, Mnist
from prunus.data.npz import Npz
from prunus.data.svhn import Svhn

DATA.register("digits", Digits)
DATA.register("fashion-mnist", FashionMnist)
DATA.register("mnist", Mnist)
DATA.register("svhn", Svhn)
DATA.register("cifar10", Cifar10)
DATA.register("cifar100", Cifar100)
DATA.register("image-folder", ImageFolder)
DATA.register("npz", Npz)
DATA.register("hf-dataset", HfDataset)

__all__ = ["DATA", "DataSource", "Dataset", "Split", "data_names", "data_source", "load_data"]
