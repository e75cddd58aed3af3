"""Networks of folders that transformers wrote."""

import json
import shutil

import pytest
import safetensors.torch
import torch

pytest.importorskip("transformers", reason="transformers is not installed: pip install prunus[transformers]")

from transformers import BertConfig, BertForSequenceClassification, ViTConfig, ViTForImageClassification

from prunus.cli.named_network import named_network
from prunus.errors import InputError
from prunus.export import read_network
from prunus.models import build_model, without_weights
from prunus.spec import Part, load_study
from prunus.sweep.folder import StudyFolder
from prunus.sweep.opened_files import files_of
from prunus.system.user_code import OpenedFiles

SMALL = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    torch.manual_seed(3)
    found = tmp_path_factory.mktemp("vit")
    network = ViTForImageClassification(ViTConfig(**SMALL, image_size=8, patch_size=4, num_channels=1, num_labels=10))
    network.save_pretrained(found)
    return found


def built(folder):
    part = Part(name=f"hf:{folder}")
    architecture, weights = without_weights(part)
    return read_network(weights, lambda: build_model(architecture, (1, 8, 8), 10))


def test_the_network_has_the_weights_of_its_folder(folder):
    x = torch.randn(2, 1, 8, 8)
    theirs = ViTForImageClassification.from_pretrained(folder)
    ours = built(folder).eval()
    assert all(torch.equal(tensor, theirs.state_dict()[name]) for name, tensor in ours.state_dict().items())
    expected = theirs(x).logits  # bits depend on where in memory the tensors of a file lie
    torch.testing.assert_close(ours(x).logits, expected)
    named = named_network(f"hf:{folder}", None, None, None, None)
    assert (named.input_shape, named.classes) == ((1, 8, 8), 10)
    torch.testing.assert_close(named.model.eval()(x).logits, expected)


def test_weights_in_several_files_and_tied_ones_are_found(tmp_path):
    network = BertForSequenceClassification(BertConfig(**SMALL, vocab_size=50, num_labels=2))
    network.save_pretrained(tmp_path, max_shard_size="4KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    found = built(tmp_path).state_dict()
    assert all(torch.equal(tensor, found[name]) for name, tensor in network.state_dict().items())


def test_a_study_names_a_folder_beside_it_whose_files_belong_to_its_conditions(folder, tmp_path):
    (tmp_path / "study.toml").write_text(
        f'name = "tuned"\nmodel = "hf:../{folder.name}"\ndata = "digits"\nrecipes = ["unstructured"]\nrates = [0.5]'
    )
    (tmp_path / "out").mkdir()
    study = load_study(tmp_path / "study.toml")
    study = study.model_copy(update={"model": Part(name=f"hf:{folder}")})
    seen = files_of(study, OpenedFiles(), StudyFolder(tmp_path / "out"))
    assert {path.rpartition("/")[2] for path in seen} == {"config.json", "model.safetensors"}


@pytest.mark.parametrize(
    ("configuration", "said"),
    [
        (None, "is no folder with a config.json"),
        ("{", "cannot be read"),
        ({"model_type": "no-such-type"}, "cannot be read"),
        ({"model_type": "vit"}, "names no class"),
        ({"model_type": "vit", "architectures": ["Mine"], "auto_map": {"AutoModel": "mine.Mine"}}, "no class 'Mine'"),
        ({"model_type": "vit", "architectures": ["ViTModel"], "hidden_act": "none-such"}, "cannot be built"),
    ],
)
def test_what_cannot_be_built_is_refused_in_a_sentence(tmp_path, configuration, said):
    if configuration is not None:
        text = configuration if isinstance(configuration, str) else json.dumps(configuration)
        (tmp_path / "config.json").write_text(text)
    with pytest.raises(InputError, match=said):
        build_model(Part(name=f"hf:{tmp_path}"), (1, 8, 8), 10)


def test_weights_that_are_not_all_there_are_told(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "part")
    tensors = safetensors.torch.load_file(folder / "model.safetensors")
    tensors.pop("classifier.weight")
    safetensors.torch.save_file(tensors, tmp_path / "part" / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match=r"no fitting classifier.weight, which ViTForImageClassification needs"):
        built(tmp_path / "part")
    (tmp_path / "part" / "model.safetensors").unlink()
    torch.save(tensors, tmp_path / "part" / "pytorch_model.bin")
    with pytest.raises(InputError, match="safetensors"):
        built(tmp_path / "part")


def test_settings_are_in_the_configuration(folder):
    with pytest.raises(InputError, match="has no setting 'hidden_size'"):
        build_model(Part(name=f"hf:{folder}", settings={"hidden_size": 8}), (1, 8, 8), 10)
