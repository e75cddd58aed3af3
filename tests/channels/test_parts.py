"""Networks with data-dependent control flow: they can't be traced as a whole, and are pruned between decisions."""

import pytest
import torch
from torch import nn
from torchvision.models.detection import FCOS, FasterRCNN, RetinaNet
from torchvision.models.detection.anchor_utils import AnchorGenerator, DefaultBoxGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.ssd import SSD, SSDHead
from torchvision.ops import FeaturePyramidNetwork, MultiScaleRoIAlign

from prunus import load, prune_channels, save
from prunus.channels import masked
from prunus.cost import count_cost
from prunus.errors import InputError


class Backbone(nn.Module):
    """Two levels of features, and what a detector asks of a backbone."""

    def __init__(self, pyramid: int | None = 8) -> None:
        super().__init__()
        self.out_channels = pyramid
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, 4, 1), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 12, 3, 2, 1))
        self.top = nn.Sequential(nn.ReLU(), nn.Conv2d(12, 24, 3, 2, 1), nn.ReLU(), nn.Conv2d(24, 16, 3, 1, 1))
        self.pyramid = FeaturePyramidNetwork([12, 16], pyramid) if pyramid else None

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        low = self.stem(x)
        levels = {"0": low, "1": self.top(low)}
        return levels if self.pyramid is None else self.pyramid(levels)


SIZES = {"min_size": 32, "max_size": 48, "num_classes": 3}
ANCHORS = ((8,), (16,))


def faster_rcnn() -> nn.Module:
    anchors = AnchorGenerator(ANCHORS, ((1.0,),) * 2)
    head = TwoMLPHead(8 * 4, 16)
    pool = MultiScaleRoIAlign(["0", "1"], output_size=2, sampling_ratio=1)
    sizes = {name: size for name, size in SIZES.items() if name != "num_classes"}
    return FasterRCNN(
        Backbone(), rpn_anchor_generator=anchors, box_roi_pool=pool, box_head=head,
        box_predictor=FastRCNNPredictor(16, 3), box_score_thresh=0.0, **sizes,
    )  # fmt: skip


def retina_net() -> nn.Module:
    return RetinaNet(Backbone(), anchor_generator=AnchorGenerator(ANCHORS, ((1.0,),) * 2), score_thresh=0.0, **SIZES)


def fcos() -> nn.Module:
    anchors = AnchorGenerator(ANCHORS, ((1.0,),) * 2)
    return FCOS(Backbone(32), anchor_generator=anchors, score_thresh=0.0, **SIZES)


def ssd() -> nn.Module:
    boxes = DefaultBoxGenerator([[2], [2]], scales=[0.1, 0.3, 0.6])
    head = SSDHead([12, 16], boxes.num_anchors_per_location(), 3)
    return SSD(Backbone(pyramid=None), boxes, (32, 32), num_classes=3, head=head, score_thresh=0.0)


def images() -> tuple[list[torch.Tensor]]:
    draws = torch.Generator().manual_seed(0)
    return ([torch.rand(3, 32, 40, generator=draws), torch.rand(3, 36, 32, generator=draws)],)


def built(make) -> nn.Module:
    torch.manual_seed(0)
    return make().eval()


def tensors(results: list[dict[str, torch.Tensor]]) -> list[torch.Tensor]:
    return [value for result in results for value in result.values()]


@pytest.mark.parametrize("make", [faster_rcnn, retina_net, fcos, ssd])
def test_detectors_are_pruned_between_their_decisions(make, tmp_path):
    model = built(make)
    pruned = prune_channels(model, images(), 0.5)
    report = pruned.report
    assert type(pruned.model) is type(model)
    assert report.macs.ratio < 0.75
    assert report.macs.before == count_cost(model, images()).dense_macs
    assert report.macs.after == count_cost(pruned.model, images()).dense_macs
    outcomes = {part.name: part.outcome for part in report.parts}
    assert outcomes["backbone"] == "pruned"
    assert any("data-dependent" in part.why for part in report.parts if part.outcome == "left")
    assert "can't be traced as a whole" in str(report)
    expected, found = tensors(masked(model, pruned.plan)(*images())), tensors(pruned.model(*images()))
    for one, other in zip(expected, found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)
    save(pruned.model, tmp_path / "small.safetensors")
    loaded = load(tmp_path / "small.safetensors", make)
    for one, other in zip(found, tensors(loaded(*images())), strict=True):
        assert torch.equal(one, other)


def test_a_detector_is_cut_again_to_a_target_and_trains():
    once = prune_channels(built(faster_rcnn), images(), 0.25)
    twice = prune_channels(once.model, images(), allocation={"name": "uniform", "macs": 0.8}, protect=["rpn.*"])
    assert twice.report.macs.ratio == pytest.approx(0.8, abs=0.01)
    targets = [{"boxes": torch.tensor([[2.0, 2.0, 20.0, 20.0]]), "labels": torch.tensor([1])} for _ in range(2)]
    losses = twice.model.train()(*images(), targets)
    sum(losses.values()).backward()
    assert all(value.isfinite() for value in losses.values())


def test_training_with_targets_is_compared():
    targets = [{"boxes": torch.tensor([[2.0, 2.0, 20.0, 20.0]]), "labels": torch.tensor([1])} for _ in range(2)]
    pruned = prune_channels(built(fcos), (*images(), targets), 0.5)
    assert "in training mode" in [way.name for way in pruned.report.ways if way.outcome == "agrees"]


class EarlyExit(nn.Module):
    """Ends after the first stage where that is sure of itself: on the example it is."""

    def __init__(self, sure: float) -> None:
        super().__init__()
        self.sure = sure
        self.first = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU())
        self.exit = nn.Linear(8, 4)
        self.second = nn.Sequential(nn.Conv2d(8, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3))
        self.last = nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        early = self.exit(x.mean((2, 3)))
        if early.softmax(-1).max() > self.sure:
            return early
        return self.last(self.second(x).mean((2, 3)))


def test_what_an_early_exit_leaves_for_the_other_way_keeps_its_width():
    """The second stage never ran: it reads the first one's output, which has all of its channels."""
    model = built(lambda: EarlyExit(sure=0.0))
    x = torch.randn(2, 3, 12, 12)
    pruned = prune_channels(model, x, 0.5)
    assert pruned.model.first[0].out_channels == 4
    assert pruned.model.first[2].out_channels == 8
    outcomes = {part.name: part.why for part in pruned.report.parts if part.outcome == "left"}
    assert outcomes["second"] == outcomes["last"] == "not used with the example inputs"
    pruned.model.sure = 2.0
    expected = masked(model, pruned.plan)
    expected.sure = 2.0
    torch.testing.assert_close(pruned.model(x), expected(x))


class Looping(nn.Module):
    """Convolutions in one flat forward, in a loop whose length is a value, and rows that values choose."""

    def __init__(self, read) -> None:
        super().__init__()
        self.read = read
        self.a, self.b = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.c, self.d = nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.fc1, self.fc2 = nn.Linear(8, 16), nn.Linear(16, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.b(self.a(x).relu())
        for _ in range(self.read(x)):
            x = x + self.d(self.c(x).relu())
        x = x.flatten(2).mean(2)
        return self.fc2(self.fc1(x[x.sum(1) > x.sum(1).min()]).relu())


READS = {
    "item": lambda x: 1 + int((x.mean() > -9).sum().item()),
    "tolist": lambda x: len(x.sum((1, 2, 3)).tolist()),
    "numpy": lambda x: int(x.detach().numpy().shape[0] > 1) + 1,
    "unique": lambda x: min(2, len(torch.unique(x.argmax(1)))),
    "nonzero": lambda x: min(2, len((x > 0).nonzero())),
}


@pytest.mark.parametrize("read", READS)
def test_loops_and_choices_by_values(read):
    model = built(lambda: Looping(READS[read]))
    x = torch.randn(3, 3, 6, 6)
    pruned = prune_channels(model, x, 0.5)
    widths = [getattr(pruned.model, name).out_channels for name in "abcd"]
    assert widths == [4, 8, 4, 8]
    assert pruned.model.fc1.out_features == 8
    torch.testing.assert_close(pruned.model(x), masked(model, pruned.plan)(x))
    assert {way.outcome for way in pruned.report.ways} == {"agrees"}


class Dispatching(nn.Module):
    """A mixture of experts that finds the tokens of each expert in a loop."""

    def __init__(self) -> None:
        super().__init__()
        self.router = nn.Linear(8, 3)
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 8)) for _ in range(3)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weights, numbers = self.router(x).softmax(-1).topk(1)
        out = torch.zeros_like(x)
        for number, expert in enumerate(self.experts):
            rows, _ = torch.where(numbers == number)
            out[rows] += expert(x[rows]) * weights[rows]
        return out


def test_experts_of_a_loop_lose_inner_channels():
    model = built(Dispatching)
    x = torch.randn(12, 8)
    pruned = prune_channels(model, x, 0.5)
    assert [layer.out_features for layer in pruned.model.experts[0] if isinstance(layer, nn.Linear)] == [8, 4, 8]
    assert torch.equal(pruned.model.router.weight, model.router.weight)
    torch.testing.assert_close(pruned.model(x), masked(model, pruned.plan)(x))


class Normed(nn.Module):
    """A layer norm over channels that could be pruned, before a decision."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.norm, self.b, self.c = nn.Linear(6, 8), nn.LayerNorm(8), nn.Linear(8, 8), nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.c(self.b(self.norm(self.a(x))).relu())
        return x[x.sum(1) > 0]


def test_channels_that_a_norm_averages_over_are_left():
    pruned = prune_channels(built(Normed), torch.randn(5, 6), 0.5)
    assert (pruned.model.a.out_features, pruned.model.b.out_features) == (8, 4)
    reasons = {row.name: row.protected for row in pruned.report.groups}
    assert reasons["a"] == "averaged over by 'norm', in a network that can't be traced"


def test_nothing_between_decisions_is_told_so():
    class Deciding(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(4, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.fc(x)
            return x if x.sum() > 0 else -x

    with pytest.raises(InputError, match="where values decide what follows: item in the model's own forward"):
        prune_channels(Deciding(), torch.randn(2, 4), 0.5)


class Decodes(nn.Module):
    """torch's own decoder looks at the numbers of its mask, so that it cannot be traced."""

    def __init__(self) -> None:
        super().__init__()
        self.decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(16, 4, 32, batch_first=True), 2)
        self.head = nn.Linear(16, 3)

    def forward(self, x: torch.Tensor, memory: torch.Tensor) -> torch.Tensor:
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1]).to(x.dtype)
        return self.head(self.decoder(x, memory, tgt_mask=mask))


def test_attention_of_torch_keeps_its_width_where_its_own_forward_has_to_run() -> None:
    pruned = prune_channels(Decodes().eval(), (torch.randn(2, 5, 16), torch.randn(2, 7, 16)), 0.5)
    assert pruned.model.decoder.layers[0].linear1.out_features == 16
    assert pruned.model.decoder.layers[0].self_attn.in_proj_weight.shape == (48, 16)
