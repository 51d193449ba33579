"""erlua, PyTorch and oneDNN's bare products in turns, a step each: ratios of medians.

tensor_turns.py ERLUA PYTHON BOUND STEPS LAYERS WIDTH HEADS BATCH TOKENS f32|bf16 gpt2|plain
PYTHON is one that has torch, or - for none; BOUND is tensor_bound, or - for none.
"""
import os
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


class Worker:
    """A program that makes a step for each line and answers with wall and CPU seconds and its peak of MB."""

    def __init__(self, argv):
        self.wall, self.cpu, self.peak = [], [], 0
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def step(self, keep):
        self.process.stdin.write("step\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().split()
        if len(answer) != 3:
            sys.exit(f"{self.process.args} ended")
        if keep:
            self.wall.append(float(answer[0]))
            self.cpu.append(float(answer[1]))
        self.peak = float(answer[2])

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def main():
    erlua, python, bound, steps = sys.argv[1:5]
    layers, width, heads, batch, tokens, dtype, kind = sys.argv[5:12]
    shape = [layers, width, heads, batch, tokens]
    workers = {"erlua": Worker([erlua, f"{HERE}/tensors.lua", "0", *shape, dtype, kind, "serve"])}
    if python != "-":
        workers["torch"] = Worker([python, f"{HERE}/tensor_torch.py", *shape, dtype, kind])
    if bound != "-":
        workers["bound"] = Worker([bound, layers, width, batch, tokens, dtype])
    for i in range(int(steps) + 1):
        for w in workers.values():
            w.step(i > 0)
    for w in workers.values():
        w.close()
    print(f"{layers} layers, {width} wide, B {batch}, T {tokens}, {dtype}, {kind}, {os.environ.get('OMP_NUM_THREADS', 'all')} threads")
    ours = workers["erlua"]
    for name, w in workers.items():
        wall, cpu = statistics.median(w.wall), statistics.median(w.cpu)
        pairs = statistics.median(a / b for a, b in zip(w.wall, ours.wall))
        cpus = statistics.median(a / b for a, b in zip(w.cpu, ours.cpu))
        print(f"  {name}: {wall * 1000:9.2f} ms, {cpu * 1000:9.2f} ms of CPU, {int(batch) * int(tokens) / wall:8.0f} tokens/s, "
              f"{pairs:.2f} of erlua's time ({cpus:.2f} of its CPU)" + (f", peak {w.peak:.0f} MB" if w.peak else ""))


main()
