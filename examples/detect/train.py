"""Train the detector; any other way would do."""

import torch
from net import build, load

torch.manual_seed(0)
network = build().train()
images = load()[0]
optimizer = torch.optim.AdamW(network.parameters(), 1e-3)
for _ in range(6):
    for chosen in torch.randperm(len(images)).split(16):
        batch, targets = zip(*(images[int(index)] for index in chosen), strict=True)
        optimizer.zero_grad()
        sum(network(list(batch), list(targets)).values()).backward()
        optimizer.step()
torch.save(network.state_dict(), "trained.pt")
