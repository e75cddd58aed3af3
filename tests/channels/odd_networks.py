"""Small networks of many kinds: each is wired in a way that has broken a pruning tool somewhere."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

NETWORKS: dict[str, Callable[[], tuple[nn.Module, Any]]] = {}


def case(make: Callable[[], tuple[nn.Module, Any]]) -> Callable[[], tuple[nn.Module, Any]]:
    NETWORKS[make.__name__] = make
    return make


@case
def unet():
    class U(nn.Module):
        def __init__(self):
            super().__init__()
            self.d1 = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
            self.d2 = nn.Sequential(nn.Conv2d(8, 16, 3, padding=1), nn.ReLU())
            self.up = nn.ConvTranspose2d(16, 8, 2, stride=2)
            self.u1 = nn.Conv2d(16, 8, 3, padding=1)
            self.o = nn.Conv2d(8, 2, 1)

        def forward(self, x):
            a = self.d1(x)
            b = self.d2(F.max_pool2d(a, 2))
            return self.o(self.u1(torch.cat([a, self.up(b)], 1)).relu())

    return U(), torch.randn(2, 3, 16, 16)


@case
def transformer_encoder():
    return nn.Sequential(
        nn.Linear(5, 16),
        nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 4, 32, batch_first=True), 2),
        nn.Linear(16, 3),
    ), torch.randn(2, 7, 5)


@case
def nn_transformer():
    return nn.Transformer(16, 4, 1, 1, 32, batch_first=True), (torch.randn(2, 5, 16), torch.randn(2, 4, 16))


@case
def lstm():
    class L(nn.Module):
        def __init__(self):
            super().__init__()
            self.e = nn.Linear(4, 8)
            self.l = nn.LSTM(8, 6, batch_first=True)
            self.o = nn.Linear(6, 10)
            self.o2 = nn.Linear(10, 2)

        def forward(self, x):
            return self.o2(self.o(self.l(self.e(x))[0][:, -1]).relu())

    return L(), torch.randn(2, 5, 4)


@case
def recurrent_cells():
    class Steps(nn.Module):
        def __init__(self):
            super().__init__()
            self.enter, self.long, self.gated = nn.Linear(6, 16), nn.LSTMCell(16, 24), nn.GRUCell(24, 12)
            self.plain, self.head = nn.RNNCell(12, 10), nn.Linear(10, 4)

        def forward(self, x):
            cells = self.long, self.long, self.gated, self.plain
            h, c, g, r = (x.new_zeros(x.shape[0], cell.hidden_size) for cell in cells)
            for step in range(x.shape[1]):
                h, c = self.long(self.enter(x[:, step]).relu(), (h, c))
                g = self.gated(h, g)
                r = self.plain(g, r)
            return self.head(r)

    return Steps(), torch.randn(2, 3, 6)


@case
def gru_bi():
    class L(nn.Module):
        def __init__(self):
            super().__init__()
            self.l = nn.GRU(4, 6, batch_first=True, bidirectional=True)
            self.o = nn.Linear(12, 10)
            self.o2 = nn.Linear(10, 2)

        def forward(self, x):
            return self.o2(self.o(self.l(x)[0][:, -1]).relu())

    return L(), torch.randn(2, 5, 4)


@case
def option_a():
    class B(nn.Module):
        def __init__(self):
            super().__init__()
            self.c0 = nn.Conv2d(3, 8, 3, padding=1)
            self.c1 = nn.Conv2d(8, 16, 3, stride=2, padding=1)
            self.c2 = nn.Conv2d(16, 16, 3, padding=1)
            self.o = nn.Linear(16, 4)

        def forward(self, x):
            x = self.c0(x).relu()
            y = self.c2(self.c1(x).relu())
            return self.o((y + F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 4, 4))).relu().mean((2, 3)))

    return B(), torch.randn(2, 3, 8, 8)


@case
def shared_module():
    class S(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(6, 8)
            self.m = nn.Linear(8, 8)
            self.o = nn.Linear(8, 2)

        def forward(self, x):
            x = self.a(x)
            x = self.m(x).relu()
            x = self.m(x).relu()
            return self.o(x)

    return S(), torch.randn(3, 6)


@case
def tied_autoencoder():
    class S(nn.Module):
        def __init__(self):
            super().__init__()
            self.e = nn.Linear(6, 8)
            self.b = nn.Parameter(torch.randn(6))

        def forward(self, x):
            return F.linear(self.e(x).relu(), self.e.weight.t(), self.b)

    return S(), torch.randn(3, 6)


@case
def tied_embedding():
    class S(nn.Module):
        def __init__(self):
            super().__init__()
            self.e = nn.Embedding(11, 8)
            self.f = nn.Linear(8, 16)
            self.g = nn.Linear(16, 8)
            self.o = nn.Linear(8, 11, bias=False)
            self.o.weight = self.e.weight

        def forward(self, x):
            x = self.e(x)
            return self.o(x + self.g(self.f(x).relu()))

    return S(), torch.randint(0, 11, (2, 5))


@case
def weight_norm():
    from torch.nn.utils.parametrizations import weight_norm as wn

    return nn.Sequential(
        wn(nn.Conv2d(3, 8, 3)), nn.ReLU(), wn(nn.Conv2d(8, 6, 3)), nn.Flatten(), nn.Linear(6 * 16, 2)
    ), torch.randn(2, 3, 8, 8)


@case
def spectral_norm():
    from torch.nn.utils.parametrizations import spectral_norm as wn

    return nn.Sequential(
        wn(nn.Conv2d(3, 8, 3)),
        nn.ReLU(),
        nn.Conv2d(8, 6, 3),
        nn.ReLU(),
        nn.Conv2d(6, 6, 1),
        nn.Flatten(),
        nn.Linear(6 * 16, 2),
    ), torch.randn(2, 3, 8, 8)


@case
def conv1d_gated():
    class W(nn.Module):
        def __init__(self):
            super().__init__()
            self.i = nn.Conv1d(1, 8, 1)
            self.f = nn.Conv1d(8, 12, 3, padding=2, dilation=2)
            self.g = nn.Conv1d(8, 12, 3, padding=2, dilation=2)
            self.r = nn.Conv1d(12, 8, 1)
            self.s = nn.Conv1d(12, 8, 1)
            self.o = nn.Conv1d(8, 2, 1)

        def forward(self, x):
            x = self.i(x)
            z = torch.tanh(self.f(x)) * torch.sigmoid(self.g(x))
            return self.o((self.s(z) + x + self.r(z)).relu())

    return W(), torch.randn(2, 1, 20)


@case
def conv3d_instance():
    return nn.Sequential(
        nn.Conv3d(1, 6, 3),
        nn.InstanceNorm3d(6, affine=True),
        nn.LeakyReLU(),
        nn.Conv3d(6, 4, 3),
        nn.InstanceNorm3d(4),
        nn.AdaptiveAvgPool3d(1),
        nn.Flatten(),
        nn.Linear(4, 2),
    ), torch.randn(2, 1, 8, 8, 8)


@case
def bn_noaffine():
    return nn.Sequential(
        nn.Conv2d(1, 6, 3),
        nn.BatchNorm2d(6, affine=False),
        nn.Sigmoid(),
        nn.Conv2d(6, 4, 3),
        nn.Flatten(),
        nn.Linear(16 * 4, 2),
    ), torch.randn(2, 1, 8, 8)


@case
def linear_attention():
    class A(nn.Module):
        def __init__(self):
            super().__init__()
            self.q = nn.Linear(6, 8)
            self.k = nn.Linear(6, 8)
            self.v = nn.Linear(6, 8)
            self.o = nn.Linear(8, 3)

        def forward(self, x):
            q = F.elu(self.q(x)) + 1
            k = F.elu(self.k(x)) + 1
            v = self.v(x)
            kv = torch.einsum("bnd,bne->bde", k, v)
            z = 1 / (q * k.sum(1, keepdim=True)).sum(-1, keepdim=True)
            return self.o(torch.einsum("bnd,bde->bne", q, kv) * z)

    return A(), torch.randn(2, 5, 6)


@case
def spatial_attention():
    class A(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Conv2d(3, 8, 1)
            self.sp = nn.Conv2d(2, 1, 3, padding=1)
            self.o = nn.Conv2d(8, 3, 1)

        def forward(self, x):
            x = self.a(x).relu()
            m = torch.cat([x.mean(1, keepdim=True), x.max(1, keepdim=True).values], 1)
            return self.o(x * self.sp(m).sigmoid())

    return A(), torch.randn(2, 3, 6, 6)


@case
def eca():
    class A(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Conv2d(3, 8, 1)
            self.c = nn.Conv1d(1, 1, 3, padding=1, bias=False)
            self.b = nn.Conv2d(8, 6, 1)
            self.o = nn.Conv2d(6, 3, 1)

        def forward(self, x):
            x = self.a(x)
            y = self.c(x.mean((2, 3)).unsqueeze(1)).squeeze(1).sigmoid()
            return self.o(self.b(x * y[:, :, None, None]).relu())

    return A(), torch.randn(2, 3, 6, 6)


@case
def rope_attention():
    class A(nn.Module):
        def __init__(self):
            super().__init__()
            self.qkv = nn.Linear(8, 48)
            self.o = nn.Linear(16, 8)
            self.h = nn.Linear(8, 2)
            self.register_buffer("f", 1 / 10000 ** (torch.arange(0, 4, 2) / 4))

        def rot(self, x, c, si):
            a, b = x.chunk(2, -1)
            return x * c + torch.cat([-b, a], -1) * si

        def forward(self, x):
            B, N, _C = x.shape
            q, k, v = self.qkv(x).view(B, N, 3, 4, 4).permute(2, 0, 3, 1, 4)
            t = torch.outer(torch.arange(N).to(self.f), self.f)
            t = torch.cat([t, t], -1)
            c, si = t.cos(), t.sin()
            y = F.scaled_dot_product_attention(self.rot(q, c, si), self.rot(k, c, si), v, is_causal=True)
            return self.h(x + self.o(y.transpose(1, 2).reshape(B, N, 16)))

    return A(), torch.randn(2, 5, 8)


@case
def moe_soft():
    class A(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.randn(4, 6, 10))
            self.w2 = nn.Parameter(torch.randn(4, 10, 3))
            self.g = nn.Linear(6, 4)

        def forward(self, x):
            h = torch.einsum("bi,eih->beh", x, self.w).relu()
            y = torch.einsum("beh,eho->beo", h, self.w2)
            return (y * self.g(x).softmax(-1)[..., None]).sum(1)

    return A(), torch.randn(2, 6)


@case
def two_outputs():
    class A(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(4, 8)
            self.b = nn.Linear(8, 8)
            self.o = nn.Linear(8, 2)

        def forward(self, x):
            f = self.a(x).relu()
            g = self.b(f).relu()
            return {"features": f, "logits": self.o(g), "n": 3, "none": None}

    return A(), torch.randn(2, 4)


@case
def inplace_views():
    class A(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Conv2d(3, 8, 1)
            self.b = nn.Conv2d(4, 4, 3, padding=1)
            self.o = nn.Conv2d(8, 3, 1)

        def forward(self, x):
            x = self.a(x)
            y = x.clone()
            y[:, :4] = self.b(x[:, :4])
            return self.o(y.relu_())

    return A(), torch.randn(2, 3, 6, 6)


@case
def inplace_add_view():
    class A(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Conv2d(3, 8, 1)
            self.o = nn.Conv2d(8, 3, 1)

        def forward(self, x):
            x = self.a(x)
            x[:, :4].add_(1.0)
            return self.o(x)

    return A(), torch.randn(2, 3, 6, 6)


@case
def const_mul():
    class A(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Conv2d(3, 8, 1)
            self.k = torch.linspace(0, 1, 8)[:, None, None]
            self.o = nn.Conv2d(8, 3, 1)

        def forward(self, x):
            return self.o(self.a(x) * self.k + torch.ones(8, 1, 1))

    return A(), torch.randn(2, 3, 6, 6)


@case
def fft():
    class A(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Conv2d(3, 8, 1)
            self.w = nn.Parameter(torch.randn(8, 6, 4, 2))
            self.o = nn.Conv2d(8, 4, 1)
            self.p = nn.Conv2d(4, 2, 1)

        def forward(self, x):
            x = self.a(x)
            f = torch.fft.rfft2(x) * torch.view_as_complex(self.w)
            return self.p(self.o(torch.fft.irfft2(f, s=(6, 6))).relu())

    return A(), torch.randn(2, 3, 6, 6)


@case
def channel_mean_sub():
    class A(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Conv2d(3, 8, 1)
            self.o = nn.Conv2d(8, 3, 1)
            self.g = nn.Parameter(torch.ones(8, 1, 1))

        def forward(self, x):
            x = self.a(x)
            u = x.mean(1, keepdim=True)
            v = (x - u).pow(2).mean(1, keepdim=True)
            return self.o((x - u) / torch.sqrt(v + 1e-6) * self.g)

    return A(), torch.randn(2, 3, 6, 6)


@case
def l2norm():
    class A(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(4, 8)
            self.o = nn.Linear(8, 3)

        def forward(self, x):
            return self.o(F.normalize(self.a(x).relu(), dim=-1))

    return A(), torch.randn(2, 4)


@case
def cosine_sim():
    class A(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(4, 8)
            self.b = nn.Linear(4, 8)

        def forward(self, x):
            return F.cosine_similarity(self.a(x), self.b(x), dim=-1)

    return A(), torch.randn(2, 4)


@case
def maxout():
    class A(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(4, 12)
            self.o = nn.Linear(6, 3)

        def forward(self, x):
            return self.o(self.a(x).view(-1, 6, 2).max(-1).values)

    return A(), torch.randn(2, 4)


@case
def roll_channels():
    class A(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Conv2d(3, 8, 1)
            self.b = nn.Conv2d(8, 8, 1)
            self.o = nn.Conv2d(8, 3, 1)

        def forward(self, x):
            x = self.a(x)
            return self.o(self.b(x.roll(2, 1)).relu())

    return A(), torch.randn(2, 3, 6, 6)


@case
def cumsum_channels():
    class A(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Conv2d(3, 8, 1)
            self.b = nn.Conv2d(8, 8, 1)
            self.o = nn.Conv2d(8, 3, 1)

        def forward(self, x):
            return self.o(self.b(self.a(x).cumsum(1)).relu())

    return A(), torch.randn(2, 3, 6, 6)


@case
def bilinear():
    class A(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(4, 8)
            self.b = nn.Linear(4, 6)
            self.c = nn.Bilinear(8, 6, 10)
            self.o = nn.Linear(10, 2)

        def forward(self, x):
            return self.o(self.c(self.a(x), self.b(x)).relu())

    return A(), torch.randn(2, 4)


@case
def prelu():
    return nn.Sequential(
        nn.Conv2d(3, 8, 1), nn.PReLU(8), nn.Conv2d(8, 6, 1), nn.PReLU(), nn.Conv2d(6, 2, 1)
    ), torch.randn(2, 3, 4, 4)


@case
def rmsnorm_swiglu():
    class A(nn.Module):
        def __init__(self):
            super().__init__()
            self.e = nn.Linear(4, 8)
            self.n = nn.RMSNorm(8)
            self.w = nn.Linear(8, 32)
            self.d = nn.Linear(16, 8)
            self.o = nn.Linear(8, 2)

        def forward(self, x):
            x = self.e(x)
            a, b = self.w(self.n(x)).chunk(2, -1)
            return self.o(x + self.d(F.silu(a) * b))

    return A(), torch.randn(2, 5, 4)


@case
def groupnorm_variants():
    return nn.Sequential(
        nn.Conv2d(3, 12, 3),
        nn.GroupNorm(1, 12),
        nn.ReLU(),
        nn.Conv2d(12, 12, 3),
        nn.GroupNorm(12, 12),
        nn.ReLU(),
        nn.Conv2d(12, 12, 3, groups=3),
        nn.GroupNorm(4, 12),
        nn.Flatten(),
        nn.Linear(12 * 36, 3),
    ), torch.randn(2, 3, 12, 12)


@case
def mixer():
    class A(nn.Module):
        def __init__(self):
            super().__init__()
            self.e = nn.Conv2d(3, 8, 2, 2)
            self.n = nn.LayerNorm(8)
            self.t1 = nn.Linear(16, 24)
            self.t2 = nn.Linear(24, 16)
            self.c1 = nn.Linear(8, 20)
            self.c2 = nn.Linear(20, 8)
            self.o = nn.Linear(8, 2)

        def forward(self, x):
            x = self.e(x).flatten(2).mT
            x = x + self.t2(F.gelu(self.t1(self.n(x).mT))).mT
            x = x + self.c2(F.gelu(self.c1(x)))
            return self.o(x.mean(1))

    return A(), torch.randn(2, 3, 8, 8)


@case
def pixel_unshuffle():
    class A(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Conv2d(3, 4, 3, padding=1)
            self.b = nn.Conv2d(16, 8, 1)
            self.u = nn.PixelShuffle(2)
            self.o = nn.Conv2d(2, 3, 1)

        def forward(self, x):
            return self.o(self.u(self.b(F.pixel_unshuffle(self.a(x), 2)).relu()))

    return A(), torch.randn(2, 3, 6, 6)


@case
def dynamic_conv():
    class A(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Conv2d(3, 4, 1)
            self.k = nn.Linear(3, 4 * 9)
            self.o = nn.Conv2d(4, 2, 1)

        def forward(self, x):
            y = self.a(x)
            B = x.shape[0]
            k = self.k(x.mean((2, 3))).view(B * 4, 1, 3, 3)
            return self.o(F.conv2d(y.reshape(1, B * 4, 6, 6), k, padding=1, groups=B * 4).view(B, 4, 6, 6))

    return A(), torch.randn(2, 3, 6, 6)


@case
def weight_std():
    class C(nn.Conv2d):
        def forward(self, x):
            w = self.weight
            m = w.mean((1, 2, 3), keepdim=True)
            v = w.var((1, 2, 3), keepdim=True)
            return F.conv2d(x, (w - m) / (v + 1e-5).sqrt(), self.bias, self.stride, self.padding)

    return nn.Sequential(
        C(3, 8, 3), nn.ReLU(), C(8, 6, 3), nn.ReLU(), C(6, 6, 1), nn.Flatten(), nn.Linear(96, 2)
    ), torch.randn(2, 3, 8, 8)


@case
def stochastic_mean_div():
    class A(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(4, 8)
            self.o = nn.Linear(8, 2)

        def forward(self, x):
            y = self.a(x)
            return self.o(y / 8) + y.sum(-1, keepdim=True) / y.shape[-1]

    return A(), torch.randn(2, 4)


@case
def sum_exp():
    class A(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(4, 8)
            self.b = nn.Linear(4, 6)
            self.o = nn.Linear(6, 2)

        def forward(self, x):
            return self.o(self.b(x)) + self.a(x).exp().sum(-1, keepdim=True)

    return A(), torch.randn(2, 4)


@case
def gather_idx():
    class A(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(4, 8)
            self.b = nn.Linear(3, 6)
            self.o = nn.Linear(6, 2)
            self.register_buffer("i", torch.tensor([0, 3, 5]))

        def forward(self, x):
            return self.o(self.b(self.a(x)[:, self.i]).relu())

    return A(), torch.randn(2, 4)


@case
def gqa_sdpa():
    class A(nn.Module):
        def __init__(self):
            super().__init__()
            self.q = nn.Linear(8, 16)
            self.k = nn.Linear(8, 8)
            self.v = nn.Linear(8, 8)
            self.o = nn.Linear(16, 8)
            self.h = nn.Linear(8, 3)

        def forward(self, x):
            B, N, _ = x.shape
            q = self.q(x).view(B, N, 4, 4).transpose(1, 2)
            k = self.k(x).view(B, N, 2, 4).transpose(1, 2)
            v = self.v(x).view(B, N, 2, 4).transpose(1, 2)
            return self.h(
                self.o(F.scaled_dot_product_attention(q, k, v, enable_gqa=True).transpose(1, 2).reshape(B, N, 16))
            )

    return A(), torch.randn(2, 5, 8)


@case
def buffer_mask_posenc():
    class A(nn.Module):
        def __init__(self):
            super().__init__()
            self.e = nn.Embedding(9, 8)
            self.register_buffer("pe", torch.randn(1, 20, 8))
            self.f = nn.Linear(8, 12)
            self.g = nn.Linear(12, 8)
            self.o = nn.Linear(8, 3)

        def forward(self, t):
            x = self.e(t) * math.sqrt(8) + self.pe[:, : t.shape[1]]
            return self.o(x + self.g(self.f(x).relu()))

    return A(), torch.randint(0, 9, (2, 5))


@case
def c2f():
    class A(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Conv2d(3, 8, 1)
            self.m = nn.ModuleList([nn.Conv2d(4, 4, 3, padding=1) for _ in range(2)])
            self.o = nn.Conv2d(16, 4, 1)
            self.p = nn.Conv2d(4, 2, 1)

        def forward(self, x):
            y = list(self.a(x).chunk(2, 1))
            y.extend(m(y[-1]).relu() for m in self.m)
            return self.p(self.o(torch.cat(y, 1)))

    return A(), torch.randn(2, 3, 6, 6)


@case
def res2net():
    class A(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = 4
            self.a = nn.Conv2d(3, 16, 1)
            self.m = nn.ModuleList([nn.Conv2d(4, 4, 3, padding=1) for _ in range(3)])
            self.o = nn.Conv2d(16, 4, 1)
            self.p = nn.Conv2d(4, 2, 1)

        def forward(self, x):
            sp = torch.split(self.a(x), self.w, 1)
            out = []
            for part, m in zip(sp, self.m, strict=False):
                out.append(m(out[-1] + part if out else part).relu())
            return self.p(self.o(torch.cat([*out, sp[3]], 1)))

    return A(), torch.randn(2, 3, 6, 6)


@case
def convolution_over_tokens():
    """A convolution with a window of one position, laid along channels: it mixes three tokens."""

    class A(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(4, 8)
            self.mix = nn.Conv1d(3, 1, 1)
            self.o = nn.Linear(8, 3)

        def forward(self, x):
            return self.o(self.mix(torch.stack([self.a(x), self.a(x + 1), self.a(x * 2)], 1)).squeeze(1))

    return A(), torch.randn(2, 4)


@case
def feature_pyramid():
    class Detector(nn.Module):
        def __init__(self):
            super().__init__()
            widths = (3, 8, 12, 16)
            self.stages = nn.ModuleList(
                nn.Sequential(nn.Conv2d(i, o, 3, 2, 1), nn.BatchNorm2d(o), nn.ReLU())
                for i, o in itertools.pairwise(widths)
            )
            self.lateral = nn.ModuleList(nn.Conv2d(width, 8, 1) for width in widths[1:])
            self.classes = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 2 * 5, 1))
            self.boxes = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 2 * 4, 1))

        def forward(self, x):
            levels = []
            for stage, lateral in zip(self.stages, self.lateral, strict=True):
                x = stage(x)
                levels.append(lateral(x))
            for upper, lower in ((2, 1), (1, 0)):
                levels[lower] = levels[lower] + F.interpolate(levels[upper], scale_factor=2.0)
            heads = {"classes": (self.classes, 5), "boxes": (self.boxes, 4)}
            return {
                name: torch.cat([head(y).permute(0, 2, 3, 1).reshape(len(y), -1, n) for y in levels], 1)
                for name, (head, n) in heads.items()
            }

    return Detector(), torch.randn(2, 3, 16, 16)


@case
def diffusion_block():
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.time, self.enter = nn.Sequential(nn.Linear(8, 16), nn.SiLU(), nn.Linear(16, 32)), nn.Conv2d(3, 16, 1)
            self.norm1, self.conv1 = nn.GroupNorm(4, 16), nn.Conv2d(16, 16, 3, padding=1)
            self.norm2, self.conv2 = nn.GroupNorm(4, 16), nn.Conv2d(16, 16, 3, padding=1)
            self.leave = nn.Conv2d(32, 3, 1)

        def forward(self, x, t):
            angles = t[:, None] * torch.exp(-torch.arange(4, device=x.device))
            scale, shift = self.time(torch.cat([angles.sin(), angles.cos()], -1))[:, :, None, None].chunk(2, 1)
            x = self.enter(x)
            h = self.norm2(self.conv1(F.silu(self.norm1(x)))) * (1 + scale) + shift
            return self.leave(torch.cat([x, self.conv2(F.silu(h))], 1))

    return Block(), (torch.randn(2, 3, 6, 6), torch.tensor([3.0, 7.0]))


@case
def selective_scan():
    class Scan(nn.Module):
        def __init__(self):
            super().__init__()
            self.enter, self.both = nn.Linear(5, 8), nn.Linear(8, 24, bias=False)
            self.conv, self.sizes = nn.Conv1d(12, 12, 3, groups=12, padding=2), nn.Linear(12, 2 + 3 + 3)
            self.step, self.leave, self.head = nn.Linear(2, 12), nn.Linear(12, 8), nn.Linear(8, 2)
            self.decay = nn.Parameter(torch.rand(12, 3))

        def forward(self, u):
            u = self.enter(u)
            x, gate = self.both(u).chunk(2, -1)
            x = F.silu(self.conv(x.transpose(1, 2))[..., : u.shape[1]]).transpose(1, 2)
            step, write, read = self.sizes(x).split([2, 3, 3], -1)
            step = F.softplus(self.step(step))
            fade = torch.exp(-step[..., None] * self.decay.exp())
            put = torch.einsum("bld,bln,bld->bldn", step, write, x)
            state, out = torch.zeros_like(put[:, 0]), []
            for t in range(u.shape[1]):
                state = fade[:, t] * state + put[:, t]
                out.append(torch.einsum("bdn,bn->bd", state, read[:, t]))
            return self.head(u + self.leave(torch.stack(out, 1) * F.silu(gate)))

    return Scan(), torch.randn(2, 4, 5)


@case
def gathered_experts():
    class Experts(nn.Module):
        def __init__(self):
            super().__init__()
            self.enter, self.gate, self.head = nn.Linear(6, 8), nn.Linear(8, 4), nn.Linear(8, 3)
            self.experts = nn.ModuleList(nn.Sequential(nn.Linear(8, 12), nn.ReLU(), nn.Linear(12, 8)) for _ in range(4))

        def forward(self, x):
            x = self.enter(x)
            weights, chosen = self.gate(x).softmax(-1).topk(2)
            every = torch.stack([expert(x) for expert in self.experts], 1)
            best = torch.gather(every, 1, chosen[..., None].expand(-1, -1, every.shape[-1]))
            again = torch.gather(every, 1, chosen[..., None].repeat(1, 1, every.shape[-1]))
            return self.head(((best + again) * weights[..., None]).sum(1))

    return Experts(), torch.randn(5, 6)


@case
def messages_between_nodes():
    class Messages(nn.Module):
        def __init__(self):
            super().__init__()
            self.enter, self.message, self.head = nn.Linear(5, 16), nn.Linear(16, 16), nn.Linear(16, 3)

        def forward(self, x, edges):
            x = self.enter(x).relu()
            sent = self.message(x)[edges[0]]
            return self.head(x + torch.zeros_like(x).index_add(0, edges[1], sent))

    return Messages(), (torch.randn(7, 5), torch.randint(0, 7, (2, 12)))


@case
def complex_rotation():
    class Rotated(nn.Module):
        def __init__(self):
            super().__init__()
            self.q, self.k, self.v = nn.Linear(8, 16), nn.Linear(8, 16), nn.Linear(8, 16)
            self.o, self.head = nn.Linear(16, 8), nn.Linear(8, 2)
            angles = torch.outer(torch.arange(5.0), torch.tensor([1.0, 0.1]))
            self.register_buffer("turns", torch.polar(torch.ones_like(angles), angles)[None, :, None])

        def turned(self, x):
            pairs = torch.view_as_complex(x.unflatten(-1, (-1, 2))) * self.turns
            return torch.view_as_real(pairs).flatten(-2)

        def forward(self, x):
            q, k, v = (layer(x).unflatten(-1, (-1, 4)) for layer in (self.q, self.k, self.v))
            q, k, v = (y.transpose(1, 2) for y in (self.turned(q), self.turned(k), v))
            y = F.scaled_dot_product_attention(q, k, v)
            return self.head(x + self.o(y.transpose(1, 2).flatten(2)))

    return Rotated(), torch.randn(2, 5, 8)


@case
def complex_spectrum():
    class Filtered(nn.Module):
        def __init__(self):
            super().__init__()
            self.enter, self.mix, self.head = nn.Linear(2, 8), nn.Linear(8, 8), nn.Linear(8, 2)
            self.filter = nn.Parameter(torch.randn(8, 12, 4, dtype=torch.cfloat))
            self.leave = nn.Linear(12, 8)

        def forward(self, x):
            x = self.enter(x).transpose(1, 2)
            low = torch.fft.rfft(x)[:, :, :4]
            y = torch.fft.irfft(torch.einsum("bit,iot->bot", low, self.filter), n=x.shape[-1])
            return self.head(F.gelu(self.leave(y.transpose(1, 2)) + self.mix(x.transpose(1, 2))))

    return Filtered(), torch.randn(2, 10, 2)


@case
def sampled_grid():
    class Sampled(nn.Module):
        def __init__(self):
            super().__init__()
            self.enter, self.where = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 2, 1)
            self.leave, self.head = nn.Conv2d(8, 6, 1), nn.Conv2d(6, 2, 1)

        def forward(self, x):
            x = self.enter(x).relu()
            grid = self.where(x).permute(0, 2, 3, 1).tanh()
            return self.head(self.leave(F.grid_sample(x, grid, align_corners=False)).relu())

    return Sampled(), torch.randn(2, 3, 6, 6)
