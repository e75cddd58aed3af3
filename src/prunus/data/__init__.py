"""Data sets by name, or from the user's own files and functions.

To add one: a frozen class with `load` in a file of its own, and one line here.
"""

from prunus.data.dataset import Dataset, Split
from prunus.data.digits import Digits
from prunus.data.load import data_names, data_source, load_data
from prunus.data.mnist import FashionMnist, Mnist
from prunus.data.source import DATA, DataSource

DATA.register("digits", Digits)
DATA.register("fashion-mnist", FashionMnist)
DATA.register("mnist", Mnist)

__all__ = ["DATA", "DataSource", "Dataset", "Split", "data_names", "data_source", "load_data"]
