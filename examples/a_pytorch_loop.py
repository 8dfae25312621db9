"""Record a PyTorch training loop of your own, and say how its optimizer works on what it met there."""

import torch

import lopt

torch.manual_seed(0)
x = torch.linspace(-3.0, 3.0, 100)[:, None]
model = torch.nn.Sequential(torch.nn.Linear(1, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1))
optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
recorder = lopt.torch_recorder(optimizer, steps=300)  # the one line that is new
for _ in range(300):
    optimizer.zero_grad()
    loss = torch.mean((model(x) - torch.sin(x)) ** 2)
    loss.backward()
    optimizer.step()
lopt.save_recording("run.npz", recorder)
mine = lopt.from_torch(torch.optim.AdamW, lr=0.01)
print(lopt.analyze(mine, "run.npz", name="AdamW in my loop", starts=16).summary())
