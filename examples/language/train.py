"""Train the language model; any other way would do."""

import torch
from net import VOCABULARY, build, load

torch.manual_seed(0)
network = build()
x, y = (torch.as_tensor(part) for part in load()[:2])
optimizer = torch.optim.AdamW(network.parameters(), 2e-3)
for _ in range(9):
    for chosen in torch.randperm(len(x)).split(64):
        optimizer.zero_grad()
        scores = network(x[chosen]).reshape(-1, VOCABULARY)
        torch.nn.functional.cross_entropy(scores, y[chosen].reshape(-1)).backward()
        optimizer.step()
torch.save(network.state_dict(), "trained.pt")
