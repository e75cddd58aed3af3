"""Which other ways of calling are found for a network."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prunus.proof import Variation, variations


def names(found: list[Variation]) -> list[str]:
    return [name for variation in found for name in variation.names]


class Tokens(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(10, 8), nn.Linear(8, 3)

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None, scale: Tensor | None = None) -> Tensor:
        x = self.embed(input_ids)
        return self.head(x if attention_mask is None else x * attention_mask[..., None])


def test_lengths_batches_and_optional_tensors_are_tried_where_the_network_takes_them() -> None:
    found = variations(Tokens().eval(), ((), {"input_ids": torch.arange(12).reshape(2, 6) % 10}))
    assert names(found) == [
        "3 in place of 6",
        "a batch of 3",
        "7 in place of 6",
        "a batch of 1",
        "with attention_mask",
        "in training mode",
    ]
    assert found[0].call[1]["input_ids"].shape == (3, 3)
    assert found[1].call[1]["attention_mask"].shape == (1, 7)


def test_positional_arguments_get_masks_by_name() -> None:
    found = variations(Tokens().eval(), ((torch.zeros(2, 6, dtype=torch.long),), {}))
    assert "with attention_mask" in names(found)


def test_what_the_network_refuses_is_no_way() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 6 * 6, 2)).eval()
    assert names(variations(net, ((torch.randn(2, 3, 8, 8),), {}))) == [
        "a batch of 3",
        "a batch of 1",
        "in training mode",
    ]


def test_images_of_another_size_are_smaller_for_time() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)).eval()
    found = variations(net, ((torch.randn(1, 3, 224, 224),), {}))
    assert names(found) == ["56 in place of 224", "a batch of 2", "in training mode"]


def test_dropout_is_left_out_and_other_chance_is_no_way() -> None:
    net = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5), nn.Linear(4, 2))
    assert "in training mode" in names(variations(net.eval(), ((torch.randn(2, 4),), {})))

    class Noise(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x + torch.rand_like(x) if self.training else x

    assert "in training mode" not in names(variations(nn.Sequential(net, Noise()).eval(), ((torch.randn(2, 4),), {})))


def test_the_network_stays_as_it_is() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).eval()
    state, generator = {k: v.clone() for k, v in net.state_dict().items()}, torch.get_rng_state()
    variations(net, ((torch.randn(2, 3, 8, 8),), {}))
    torch.randn(2, 3, 8, 8)
    assert not net.training
    assert all(torch.equal(v, state[k]) for k, v in net.state_dict().items())
    assert generator.shape == torch.get_rng_state().shape


def test_attention_without_dropout_is_scaled_as_before() -> None:
    from prunus.proof.outputs import outputs_of

    class Attention(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return F.scaled_dot_product_attention(x, x, x, None, 0.5 if self.training else 0.0, scale=3.0)

    x = torch.randn(1, 1, 4, 4)
    one, other = (outputs_of(Attention(), ((x,), {}), train)[0] for train in (True, False))
    assert torch.equal(one, other)
