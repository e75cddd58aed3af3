"""With the real Trainer: zeros hold over accumulated gradients, checkpoints and a resume."""

import pytest
import torch

pytest.importorskip("transformers", reason="transformers is not installed: pip install prunus[transformers]")
pytest.importorskip("accelerate", reason="accelerate is not installed: pip install prunus[transformers]")

from torch import nn
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

from prunus.callbacks.transformers import PruningCallback
from prunus.errors import InputError
from security.corpus import ANYWHERE

pytestmark = pytest.mark.filterwarnings("ignore")


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3))

    def forward(self, x, labels=None):
        logits = self.net(x)
        if labels is None:
            return logits
        return {"loss": nn.functional.cross_entropy(logits, labels), "logits": logits}


def fit(folder, resume=None, epochs=10, model=None, data=None, recipe="unstructured", **settings):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(64, 6, generator=generator)
    data = data or [{"x": x[i], "labels": i % 3} for i in range(64)]
    model = model or Network()
    settings = {"example_inputs": torch.zeros(2, 6), "rate": 0.75, **settings}
    callback = PruningCallback(recipe, **settings)
    arguments = TrainingArguments(
        output_dir=str(folder), num_train_epochs=epochs, per_device_train_batch_size=8, gradient_accumulation_steps=2,
        learning_rate=0.01, weight_decay=0.1, save_steps=20, report_to=[], use_cpu=True, disable_tqdm=True,
        logging_strategy="no",
    )  # fmt: skip
    trainer = Trainer(model=model, args=arguments, train_dataset=data, callbacks=[callback])
    trainer.train(resume_from_checkpoint=resume and str(resume))
    return model, callback


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A whole training, with the checkpoint of its half in its folder."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, *fit(folder)


def test_it_prunes_to_the_rate_and_goes_on_from_a_checkpoint(whole):
    folder, model, callback = whole
    assert int((model.net[0].weight == 0).sum()) == 72
    assert int((model.net[2].weight == 0).sum()) == 0
    assert callback.pruner.steps == 40
    again, resumed = fit(folder, folder / "checkpoint-20")
    assert resumed.pruner.steps == 40
    assert torch.equal(again.net[0].weight == 0, model.net[0].weight == 0)


def test_a_checkpoint_of_another_folder_is_named_or_refused(whole, tmp_path):
    folder, model, _ = whole
    with pytest.raises(InputError, match=r"after step 20.*no pruner.safetensors in .*resume_from"):
        fit(tmp_path, folder / "checkpoint-20")
    again, _ = fit(tmp_path, folder / "checkpoint-20", resume_from=folder / "checkpoint-20")
    assert torch.equal(again.net[0].weight == 0, model.net[0].weight == 0)


@pytest.mark.parametrize("hostile", ["nothing", "pickle", "torch file", "huge tensor", "header of eight exabytes"])
def test_what_a_checkpoint_holds_instead_is_refused(whole, tmp_path, hostile):
    ANYWHERE[hostile](tmp_path / "pruner.safetensors")
    with pytest.raises(InputError, match=r"pruner.safetensors cannot be used\..*resume_from"):
        fit(tmp_path, whole[0] / "checkpoint-20", resume_from=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["pruner.safetensors"]


def test_a_training_of_one_epoch_is_divided(tmp_path):
    model, callback = fit(tmp_path, epochs=1)
    assert (callback.pruner.epochs, callback.pruner.steps_per_epoch) == (4, 1)  # 4 steps, and so 4 parts
    assert int((model.net[0].weight == 0).sum()) == 72


def test_a_model_of_the_library_by_named_inputs(tmp_path):
    torch.manual_seed(0)
    settings = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    model = BertForSequenceClassification(BertConfig(vocab_size=50, num_labels=3, **settings))
    names = list(model.state_dict())
    ids = torch.randint(0, 50, (64, 7), generator=torch.Generator().manual_seed(0))
    data = [{"input_ids": ids[i], "labels": i % 3} for i in range(64)]
    example = {"input_ids": ids[:2], "attention_mask": torch.ones_like(ids[:2])}
    _, callback = fit(tmp_path, epochs=2, model=model, data=data, recipe="element-lamp", example_inputs=example)
    masks = callback.pruner.masks()
    assert len(masks) == 7  # query, key, value, three more of the layer, and the pooler
    gone = sum(int((~mask).sum()) for mask in masks.values())
    assert gone == round(0.75 * sum(mask.numel() for mask in masks.values()))
    assert all((model.get_parameter(name)[~mask] == 0).all() for name, mask in masks.items())
    assert list(model.state_dict()) == names
