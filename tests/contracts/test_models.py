"""What every source of networks promises, checked on every one that is registered."""

from __future__ import annotations

import importlib.util
import itertools
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from prunus.data import Dataset, Split
from prunus.models import FAMILIES, MODELS, build_model, check_fits, model_source
from prunus.spec import Part

# A family stands for many networks; this one of it is tested, at an input that takes a moment.
EXAMPLES = {
    "torchvision": (Part(name="torchvision:squeezenet1_1"), (3, 64, 64)),
    "timm": (Part(name="timm:resnet10t"), (3, 64, 64)),
}
FUNCTION = "from torch import nn\ndef make(classes=4): return nn.Sequential(nn.Flatten(), nn.Linear(6, classes))\n"
CLASSES = 7


@pytest.fixture(params=[*MODELS.names(), *FAMILIES.names(), "file.py:make"])
def case(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Part, tuple[int, ...]]:
    """Each source in turn, and the shape of its input."""
    name: str = request.param
    if name == "file.py:make":
        (tmp_path / "file.py").write_text(FUNCTION)
        return Part(name=f"{tmp_path}/file.py:make"), (2, 3)
    if name in FAMILIES:
        if name not in EXAMPLES:
            pytest.fail(f"the family {name!r} has no example: add one to EXAMPLES")
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed")
        return EXAMPLES[name]
    return Part(name=name), model_source(Part(name=name)).default_input_shape


def build(case: tuple[Part, tuple[int, ...]], seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return build_model(*case, CLASSES)


def samples(shape: tuple[int, ...], count: int = 3) -> torch.Tensor:
    return torch.rand(count, *shape, generator=torch.Generator().manual_seed(1))


def test_it_gives_one_finite_number_per_class(case: tuple[Part, tuple[int, ...]]) -> None:
    model = build(case)
    assert model.training
    with torch.no_grad():
        for mode in (model.train(), model.eval()):
            output = mode(samples(case[1]))
            assert output.shape == (3, CLASSES)
            assert output.dtype == torch.float32
            assert torch.isfinite(output).all()


def test_the_seed_and_nothing_else_decides_the_weights(case: tuple[Part, tuple[int, ...]]) -> None:
    first, again, other = build(case), build(case), build(case, seed=1)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    assert any(not torch.equal(a, b) for a, b in zip(first.parameters(), other.parameters(), strict=True))


def test_evaluation_changes_nothing_and_repeats(case: tuple[Part, tuple[int, ...]]) -> None:
    model = build(case).eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with torch.no_grad():
        assert torch.equal(model(samples(case[1])), model(samples(case[1])))
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_every_weight_gets_a_gradient(case: tuple[Part, tuple[int, ...]]) -> None:
    model = build(case).eval()
    F.cross_entropy(model(samples(case[1])), torch.tensor([0, 1, 2])).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_the_memory_format_does_not_change_what_it_computes(case: tuple[Part, tuple[int, ...]]) -> None:
    if len(case[1]) != 3:
        pytest.skip("only images have a channels-last format")
    model, inputs = build(case).eval(), samples(case[1])
    with torch.no_grad():
        expected = model(inputs)
        model = model.to(memory_format=torch.channels_last)
        output = model(inputs.contiguous(memory_format=torch.channels_last))
    assert torch.allclose(output, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


def test_it_fits_data_of_its_input_shape(case: tuple[Part, tuple[int, ...]]) -> None:
    split = Split(samples(case[1]), torch.tensor([0, 1, 2]))
    dataset = Dataset("made up", split, split, tuple(str(index) for index in range(CLASSES)))
    check_fits(build(case), dataset, case[0].name)


def test_its_defaults_are_enough_to_build_it(case: tuple[Part, tuple[int, ...]], tmp_path: Path) -> None:
    if case[0].name.startswith(str(tmp_path)):
        pytest.skip("a user's function has what defaults its author gave it")
    source = model_source(case[0])
    with torch.device("meta"):
        model = source.build(source.default_input_shape, source.default_classes)
        output = model.eval()(torch.zeros(1, *source.default_input_shape))
    assert output.shape == (1, source.default_classes)


def test_no_two_layers_share_a_name_and_none_is_hidden(case: tuple[Part, tuple[int, ...]]) -> None:
    model = build(case)
    names = [name for name, module in model.named_modules(remove_duplicate=False) if isinstance(module, nn.Module)]
    assert len(names) == len(set(names)) == len(list(model.modules()))


def test_its_settings_and_its_meaning_are_described(case: tuple[Part, tuple[int, ...]]) -> None:
    source = model_source(case[0])
    text = type(source).__doc__ or ""
    assert text.strip()
    assert type(source).model_validate(source.model_dump(mode="json")) == source


def test_every_registered_name_is_a_class_of_its_own() -> None:
    kinds = [MODELS.get(name) for name in MODELS.names()]
    assert all(a is not b for a, b in itertools.combinations(kinds, 2))
