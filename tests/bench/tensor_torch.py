"""The same training step as tensors.lua in PyTorch: eager, SDPA, fused AdamW; bf16 by autocast.

tensor_torch.py LAYERS WIDTH HEADS BATCH TOKENS f32|bf16 gpt2|plain
A step for each line on standard input; the answer is its wall and CPU seconds, and the peak of resident MB.
OMP_NUM_THREADS sets the threads.
"""
import os
import resource
import sys
import time

import torch
import torch.nn.functional as F

N, C, H, B, L = map(int, sys.argv[1:6])
BF16, PLAIN = sys.argv[6] == "bf16", sys.argv[7] == "plain"
V = 50304 if C >= 768 else 256
torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", os.cpu_count())))


class Norm(torch.nn.Module):
    def forward(self, x):
        return F.rms_norm(x, (x.size(-1),), eps=1e-6)


def norm():
    return Norm() if PLAIN else torch.nn.LayerNorm(C)


class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.n1, self.n2 = norm(), norm()
        self.qkv = torch.nn.Linear(C, 3 * C, bias=not PLAIN)
        self.o = torch.nn.Linear(C, C, bias=not PLAIN)
        self.fc = torch.nn.Linear(C, 4 * C, bias=not PLAIN)
        self.proj = torch.nn.Linear(4 * C, C, bias=not PLAIN)

    def forward(self, x):
        q, k, v = self.qkv(self.n1(x)).view(B, L, 3, H, C // H).permute(2, 0, 3, 1, 4)
        a = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.o(a.transpose(1, 2).reshape(B, L, C))
        return x + self.proj(F.gelu(self.fc(self.n2(x)), approximate="tanh"))


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.wte, self.wpe = torch.nn.Embedding(V, C), torch.nn.Embedding(L, C)
        self.blocks, self.last = torch.nn.ModuleList(Block() for _ in range(N)), norm()

    def forward(self, ids, targets):
        x = self.wte(ids) + self.wpe.weight
        for b in self.blocks:
            x = b(x)
        return F.cross_entropy(F.linear(self.last(x), self.wte.weight).view(-1, V), targets)


model = Model()
adamw = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)


def step():
    ids, targets = torch.randint(0, V, (B, L)), torch.randint(0, V, (B * L,))
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=BF16):
        loss = model(ids, targets)
    loss.backward()
    adamw.step()
    adamw.zero_grad()


step()
for _ in sys.stdin:
    wall, cpu = time.perf_counter(), time.process_time()
    step()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{wall:.6f} {cpu:.6f} {peak:.0f}", flush=True)
