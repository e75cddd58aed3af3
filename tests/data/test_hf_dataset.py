"""Folders that Hugging Face's datasets wrote."""

import pytest

import tiny_files
from prunus.data import load_data
from prunus.errors import InputError
from prunus.spec import Part


@pytest.mark.parametrize("damaged", ["dataset_dict.json", "train/state.json", "train/data-00000-of-00001.arrow"])
def test_a_damaged_folder_is_refused_in_a_sentence(tmp_path, damaged):
    folder = tiny_files.write_hf_dataset(tmp_path)
    with (tmp_path / "saved" / damaged).open("r+b") as file:
        file.truncate(20)
    with pytest.raises(InputError, match=r"saved cannot be read.*Save it again with save_to_disk"):
        load_data(Part(name="hf-dataset", settings={"folder": folder, "inputs": "x", "targets": "y"}))
