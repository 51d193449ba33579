"""Fits power = sum of weight * speed^p * load^q * heat^r * flow^s and leaves the terms as JSON in $ERLUA_OUT."""
import csv
import json
import math
import os


def read_rows(path):
    with open(path, newline="") as file:
        return [[float(v) for v in row] for row in list(csv.reader(file))[1:]]


def progress(step, rmse):
    """One line of the curve, which erlua shows while the job runs."""
    if os.environ.get("ERLUA_CURVE") and math.isfinite(rmse):
        with open(os.environ["ERLUA_CURVE"], "a") as file:
            file.write(json.dumps({"step": step, "train_rmse": rmse}) + "\n")


rows = read_rows("train.csv")

# EVOLVE-BLOCK-START
powers = [                # one term a line: the powers of speed, load, heat, flow
    (0, 0, 0, 0),
    (1, 0, 0, 0),
    (0, 1, 0, 0),
    (0, 0, 1, 0),
    (0, 0, 0, 1),
    (1, 1, 0, 0),
]
epochs = 40
rate = 0.05
decay = 0.99
shrink = 0.001

terms = [[math.prod(x ** p for x, p in zip(row, power)) for power in powers] for row in rows]
scale = [math.sqrt(sum(t[k] ** 2 for t in terms) / len(terms)) for k in range(len(powers))]
weights = [0.0 for _ in powers]
for epoch in range(epochs):
    loss = 0.0
    for row, term in zip(rows, terms):
        error = sum(w * t / s for w, t, s in zip(weights, term, scale)) - row[-1]
        loss = loss + error * error
        for k in range(len(powers)):
            weights[k] = weights[k] - rate * (error * term[k] / scale[k] + shrink * weights[k])
    rate = rate * decay
    progress(epoch, math.sqrt(loss / len(rows)))
# EVOLVE-BLOCK-END

model = [{"weight": w / s, "powers": list(p)} for w, s, p in zip(weights, scale, powers)]
path = os.path.join(os.environ["ERLUA_OUT"], "model.json")
with open(path + ".part", "w") as file:
    json.dump(model, file)
os.replace(path + ".part", path)
