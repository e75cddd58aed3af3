"""With the real Lightning: zeros hold over accumulated gradients, checkpoints and a resume."""

import pytest
import torch
from torch import nn

pytest.importorskip("lightning", reason="Lightning is not installed: pip install prunus[lightning]")

from lightning.pytorch import LightningModule, Trainer
from torch.utils.data import DataLoader, TensorDataset

from prunus.callbacks.lightning import PruningCallback
from prunus.errors import InputError
from prunus.spec import builtin_recipes

pytestmark = pytest.mark.filterwarnings("ignore")


class Classifier(LightningModule):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3))

    def forward(self, x):
        return self.net(x)

    def training_step(self, batch, _):
        return nn.functional.cross_entropy(self(batch[0]), batch[1])

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), 0.01, weight_decay=0.1)


def fit(folder, epochs, resume=None, model=None, inputs=None, divide=None, **settings):
    generator = torch.Generator().manual_seed(0)
    data = TensorDataset(torch.randn(64, 6, generator=generator), torch.arange(64) % 3)
    inputs = torch.zeros(2, 6) if inputs is None else inputs
    callback = PruningCallback(builtin_recipes()["unstructured"], inputs, rate=0.75, epochs=divide)
    trainer = Trainer(
        callbacks=[callback], default_root_dir=folder, logger=False,
        enable_progress_bar=False, enable_model_summary=False, accelerator="cpu", enable_checkpointing=False,
        **{"accumulate_grad_batches": 2, "max_epochs": 10, **settings},
    )  # fmt: skip
    if epochs < 10:
        trainer.fit_loop.epoch_loop.max_steps = epochs * 4
    model = model or Classifier()
    trainer.fit(model, DataLoader(data, 8), ckpt_path=resume)
    return trainer, model, callback


def test_it_prunes_to_the_rate_over_the_training(tmp_path):
    _, model, callback = fit(tmp_path, 10)
    assert int((model.net[0].weight == 0).sum()) == 72
    assert int((model.net[2].weight == 0).sum()) == 0
    assert callback.pruner.steps == 40
    assert list(model.state_dict()) == ["net.0.weight", "net.0.bias", "net.2.weight", "net.2.bias"]


def test_a_checkpoint_holds_what_is_gone(tmp_path):
    trainer, model, callback = fit(tmp_path, 5)
    gone = int((model.net[0].weight == 0).sum())
    assert 0 < gone < 96
    trainer.save_checkpoint(tmp_path / "half.ckpt")
    _, model, again = fit(tmp_path, 10, resume=tmp_path / "half.ckpt")
    assert int((model.net[0].weight == 0).sum()) == 72
    assert again.pruner.steps == 40
    assert not (callback.pruner.gone["net.0"] & ~again.pruner.gone["net.0"]).any()


def test_under_mixed_precision_and_clipped_gradients(tmp_path):
    _, model, callback = fit(tmp_path, 10, precision="bf16-mixed", gradient_clip_val=0.1)
    assert int((model.net[0].weight == 0).sum()) == 72
    assert callback.pruner.steps == 40


class TwoOptimizers(Classifier):
    automatic_optimization = False

    def configure_optimizers(self):
        return [torch.optim.SGD(layer.parameters(), 0.1, momentum=0.9) for layer in (self.net[0], self.net[2])]

    def training_step(self, batch, _):
        loss = super().training_step(batch, _)
        for optimizer in self.optimizers():
            optimizer.zero_grad()
        self.manual_backward(loss)
        for optimizer in self.optimizers():
            optimizer.step()


def test_two_optimizers_of_one_network_count_as_one_step(tmp_path):
    _, model, callback = fit(tmp_path, 10, model=TwoOptimizers(), accumulate_grad_batches=1)
    assert int((model.net[0].weight == 0).sum()) == 72
    assert callback.pruner.steps == 80


def test_a_training_of_one_epoch_or_of_some_steps_is_divided(tmp_path):
    _, model, callback = fit(tmp_path, 10, max_epochs=1, accumulate_grad_batches=1, inputs=(torch.zeros(2, 6),))
    assert (callback.pruner.epochs, callback.pruner.steps_per_epoch) == (8, 1)
    assert int((model.net[0].weight == 0).sum()) == 72
    _, model, callback = fit(tmp_path, 10, max_epochs=-1, max_steps=30, accumulate_grad_batches=1)
    assert (callback.pruner.epochs, callback.pruner.steps_per_epoch) == (10, 3)
    assert int((model.net[0].weight == 0).sum()) == 72
    _, _, callback = fit(tmp_path, 10, divide=5)
    assert (callback.pruner.epochs, callback.pruner.steps_per_epoch) == (5, 8)
    with pytest.raises(InputError, match="length of the training is not known"):
        fit(tmp_path, 10, max_epochs=-1)


def test_a_trainer_that_fits_on_holds_what_is_gone(tmp_path):
    trainer, model, callback = fit(tmp_path, 5)
    gone = callback.pruner.gone["net.0"]
    trainer.fit_loop.epoch_loop.max_steps = -1
    trainer.fit(model, DataLoader(TensorDataset(torch.randn(64, 6), torch.arange(64) % 3), 8))
    assert not (gone & ~callback.pruner.gone["net.0"]).any()
    assert int((model.net[0].weight == 0).sum()) == 72


def test_a_checkpoint_without_what_was_pruned_is_refused(tmp_path):
    trainer, model, _ = fit(tmp_path, 5)
    trainer.callbacks.pop(0)
    trainer.save_checkpoint(tmp_path / "strange.ckpt")
    with pytest.raises(InputError, match="after step 20, but what was pruned before is not known"):
        fit(tmp_path, 10, resume=tmp_path / "strange.ckpt", model=model)
