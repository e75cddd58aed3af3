"""Whole networks, exported by torch in both of its ways, pruned and not, against ONNX Runtime."""

import zlib

import numpy as np
import pytest
import torch
import torchvision.models as tv
from torch import nn

from prunus.sparse.compiling import plan_of
from prunus.sparse.engine import Engine
from prunus.sparse.program import Program
from prunus.system.quiet import quiet
from sparse.executors import EXECUTORS
from sparse.onnx_models import deviation, onnxruntime_outputs, random_inputs


def vit():
    network = tv.VisionTransformer(16, 8, 2, 2, 32, 64, num_classes=10)
    nn.init.normal_(network.heads[0].weight)  # made as zeros, which would hide everything before it
    return network


def mlp():
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 256, 40), nn.BatchNorm1d(40), nn.ReLU(), nn.Linear(40, 10))


def resnext():
    return tv.ResNet(tv.resnet.Bottleneck, [1, 1, 1, 1], groups=8, width_per_group=4, num_classes=10)


def vgg():
    """Its own head: torchvision's has 103 million weights and wants 7x7 pixels, of which images of 32 leave one."""
    return nn.Sequential(tv.vgg11_bn().features, nn.Flatten(), nn.Linear(512, 10))


def squeezenet():
    return tv.squeezenet1_1(num_classes=10)


def resnet():
    return tv.ResNet(tv.resnet.BasicBlock, [1, 1, 1, 1], num_classes=10)


def mobilenet_v2():
    """One block of each of its stages: expansion, channels, blocks, stride."""
    stages = [[1, 16, 1, 1], [6, 24, 2, 2], [6, 32, 1, 2], [6, 64, 1, 2], [6, 96, 1, 1], [6, 160, 1, 2]]
    return tv.MobileNetV2(num_classes=10, width_mult=0.35, inverted_residual_setting=stages)


def mobilenet_v3():
    """A block of each kind that the small one has: with and without squeezing, of both activations and kernels."""
    blocks = [
        (16, 3, 16, 16, True, "RE", 2, 1),
        (16, 3, 72, 24, False, "RE", 2, 1),
        (24, 3, 88, 24, False, "RE", 1, 1),
        (24, 5, 96, 40, True, "HS", 2, 1),
        (40, 5, 240, 40, True, "HS", 1, 1),
    ]
    settings = [tv.mobilenetv3.InvertedResidualConfig(*block, 1.0) for block in blocks]
    return tv.MobileNetV3(settings, last_channel=128, num_classes=10)


def efficientnet():
    """B0 at a third of its width, with one block a stage where it has up to four."""
    stages, last = tv.efficientnet._efficientnet_conf("efficientnet_b0", width_mult=0.35, depth_mult=0.25)
    return tv.EfficientNet(stages, dropout=0.2, last_channel=last, num_classes=10)


def regnet():
    """Three blocks in two stages, with groups and squeezing."""
    settings = tv.regnet.BlockParams.from_init_params(depth=4, w_0=24, w_a=24.0, w_m=2.0, group_width=8, se_ratio=0.25)
    return tv.RegNet(settings, num_classes=10)


NETWORKS = {
    "vgg": (vgg, 32),
    "resnet": (resnet, 32),
    "resnext": (resnext, 32),
    "densenet": (lambda: tv.DenseNet(8, (2, 2, 2), 16, num_classes=10), 32),
    "mobilenet-v2": (mobilenet_v2, 32),
    "mobilenet-v3": (mobilenet_v3, 32),
    "efficientnet": (efficientnet, 32),
    "squeezenet": (squeezenet, 48),
    "regnet": (regnet, 32),
    "mlp": (mlp, 16),
    "vit": (vit, 16),
}


def pruned(network, sparsity, seed):
    """Statistics as after some training, and the smallest weights of every layer at zero."""
    torch.manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d):
            nn.init.normal_(module.weight, 1, 0.1)
            nn.init.normal_(module.bias, 0, 0.1)
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
        if isinstance(module, nn.Conv2d | nn.Linear):
            with torch.no_grad():
                limit = module.weight.abs().flatten().quantile(sparsity)
                module.weight.mul_(module.weight.abs() >= limit)
    return network.eval()


def export(network, example, path, dynamo):
    with quiet(), torch.no_grad():
        if dynamo:
            shapes = tuple({0: torch.export.Dim("batch")} for _ in example)
            program = torch.onnx.export(network, example, dynamo=True, dynamic_shapes=shapes, verbose=False)
            path.write_bytes(program.model_proto.SerializeToString())
        else:
            names = [f"input_{place}" for place in range(len(example))]
            axes = {name: {0: "batch"} for name in names}
            torch.onnx.export(
                network, example, str(path), dynamo=False, opset_version=17, input_names=names, dynamic_axes=axes
            )
    return path


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    made = {}

    def get(name, dynamo):
        if (name, dynamo) not in made:
            build, side = NETWORKS[name]
            sparsity = (0.0, 0.5, 0.8, 0.9, 0.95)[zlib.crc32(name.encode()) % 5]
            network = pruned(build(), sparsity, seed=len(name))
            path = tmp_path_factory.mktemp("network") / f"{name}.onnx"
            made[name, dynamo] = export(network, (torch.zeros(2, 3, side, side),), path, dynamo)
        return made[name, dynamo]

    return get


def check(path, batch, prepare):
    plan = plan_of(path, batch=batch)
    engine, inputs = Engine(plan, 2, prepare=prepare), random_inputs(plan)
    assert deviation(engine.run(*inputs), onnxruntime_outputs(path, inputs)) < 1e-4
    return plan


@pytest.mark.parametrize("prepare", EXECUTORS[1:])
@pytest.mark.parametrize(("batch", "dynamo"), [(1, True), (3, False)], ids=["1-dynamo", "3-torchscript"])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_computes_what_onnx_runtime_does(name, batch, dynamo, prepare, exported):
    if name == "vit" and not dynamo:
        pytest.skip("torch's older exporter cannot write its attention")
    plan = check(exported(name, dynamo), batch, prepare)
    assert [type(part) for part in plan.parts] == [Program]


@pytest.mark.parametrize("prepare", EXECUTORS[1:])
@pytest.mark.parametrize("name", ["resnet", "mobilenet-v2", "vit", "mlp"])
def test_a_batch_of_64(name, prepare, exported):
    check(exported(name, True), 64, prepare)


class BertLayer(nn.Module):
    """As in Devlin et al., 2018: attention over all heads, then two linear layers, each added and normalised."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.mixed = (nn.Linear(width, width) for _ in range(4))
        self.wide, self.narrow = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(self, x, mask):
        batch, length, width = x.shape
        query, key, value = (
            layer(x).view(batch, length, self.heads, width // self.heads).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        weights = (query @ key.transpose(2, 3) / (width // self.heads) ** 0.5 + mask).softmax(-1)
        x = self.first(x + self.mixed((weights @ value).transpose(1, 2).reshape(batch, length, width)))
        return self.second(x + self.narrow(nn.functional.gelu(self.wide(x))))


class Bert(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.places = nn.Embedding(50, 32), nn.Embedding(12, 32)
        self.norm, self.layers = nn.LayerNorm(32), nn.ModuleList(BertLayer(32, 4) for _ in range(2))
        self.pooled, self.logits = nn.Linear(32, 32), nn.Linear(32, 2)

    def forward(self, ids, mask):
        x = self.norm(self.words(ids) + self.places.weight)
        hidden = (1.0 - mask[:, None, None, :].float()) * -1e4
        for layer in self.layers:
            x = layer(x, hidden)
        return self.logits(self.pooled(x[:, 0]).tanh())


def hugging_face_bert():
    transformers = pytest.importorskip("transformers")
    config = transformers.BertConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64, vocab_size=50
    )

    class Logits(nn.Module):
        def __init__(self):
            super().__init__()
            self.bert = transformers.BertForSequenceClassification(config)

        def forward(self, ids, mask):
            return self.bert(input_ids=ids, attention_mask=mask).logits

    return Logits()


@pytest.mark.parametrize("prepare", EXECUTORS)
@pytest.mark.parametrize("build", [Bert, hugging_face_bert])
def test_bert_with_its_embedding_in_onnx_runtime(build, prepare, tmp_path):
    network = pruned(build(), 0.8, seed=1)
    example = torch.randint(0, 50, (2, 12)), torch.ones(2, 12, dtype=torch.long)
    plan = check(export(network, example, tmp_path / "bert.onnx", True), 3, prepare)
    assert [isinstance(part, Program) for part in plan.parts] == [False, True]


def test_an_output_of_a_dense_network_that_is_not_finite_is_so_here_too(exported):
    plan = plan_of(exported("mlp", True), batch=3)
    inputs = random_inputs(plan)
    inputs[0][1, 0, 0, 0] = np.nan
    for prepare in (one for one in EXECUTORS if not one.marks or not one.marks[0].args[0]):
        found = Engine(plan, 1, prepare=prepare.values[0]).run(*inputs)
        assert np.isnan(found[1]).all()
        assert np.isfinite(found[[0, 2]]).all()
