"""With the real Trainer: zeros hold over accumulated gradients, checkpoints and a resume."""

import pytest
import torch

pytest.importorskip("transformers", reason="transformers is not installed: pip install prunus[transformers]")
pytest.importorskip("accelerate", reason="accelerate is not installed: pip install prunus[transformers]")

from torch import nn
from transformers import Trainer, TrainingArguments

from prunus.callbacks.transformers import PruningCallback
from prunus.spec import builtin_recipes

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


def fit(folder, resume=False, steps=-1):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(64, 6, generator=generator)
    data = [{"x": x[i], "labels": i % 3} for i in range(64)]
    model = Network()
    callback = PruningCallback(builtin_recipes()["unstructured"], torch.zeros(2, 6), rate=0.75)
    arguments = TrainingArguments(
        output_dir=str(folder), num_train_epochs=10, per_device_train_batch_size=8, gradient_accumulation_steps=2,
        learning_rate=0.01, weight_decay=0.1, save_steps=20, report_to=[], use_cpu=True, disable_tqdm=True,
        logging_strategy="no",
    )  # fmt: skip
    trainer = Trainer(model=model, args=arguments, train_dataset=data, callbacks=[callback])
    trainer.train(resume_from_checkpoint=str(folder / "checkpoint-20") if resume else None)
    return model, callback


def test_it_prunes_to_the_rate_and_goes_on_from_a_checkpoint(tmp_path):
    model, callback = fit(tmp_path)
    assert int((model.net[0].weight == 0).sum()) == 72
    assert int((model.net[2].weight == 0).sum()) == 0
    assert callback.pruner.steps == 40
    again, resumed = fit(tmp_path, resume=True)
    assert resumed.pruner.steps == 40
    assert torch.equal(again.net[0].weight == 0, model.net[0].weight == 0)
