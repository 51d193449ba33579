"""Frozen: the error of $ERLUA_OUT/model.json on rows that only the evaluation sees.

The model is data and nothing of it is believed: it is read as JSON of one known form, and no code of the idea runs
here (python3 -I does not even look into this folder for modules).
"""
import csv
import json
import math
import os
import sys

BYTES_MAX = 65536
TERMS_MAX = 64
FEATURES = 4
POWER_MAX = 8
NUMBER_MAX = 1e12


def fail(message):
    sys.exit("evaluate.py: " + message)


def once(pairs):
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a key appears twice")
    return dict(pairs)


def refuse(word):
    raise ValueError(word + " is no number")


def read_model(path):
    with open(path, "rb") as file:
        raw = file.read(BYTES_MAX + 1)
    if len(raw) > BYTES_MAX:
        fail("model.json is larger than %d bytes" % BYTES_MAX)
    return json.loads(raw.decode("utf-8"), object_pairs_hook=once, parse_constant=refuse)


def number(value, what):
    if type(value) not in (int, float) or not abs(value) <= NUMBER_MAX:
        fail(what + " is not a number of at most %g" % NUMBER_MAX)
    return float(value)


def check_term(term):
    if type(term) is not dict or set(term) != {"weight", "powers"}:
        fail("a term is not {weight, powers}")
    powers = term["powers"]
    if type(powers) is not list or len(powers) != FEATURES:
        fail("a term has not %d powers" % FEATURES)
    powers = [number(p, "a power") for p in powers]
    if any(abs(p) > POWER_MAX for p in powers):
        fail("a power is beyond %d" % POWER_MAX)
    return number(term["weight"], "a weight"), powers


def check_model(model):
    if type(model) is not list or not 1 <= len(model) <= TERMS_MAX:
        fail("the model is not a list of 1 to %d terms" % TERMS_MAX)
    return [check_term(term) for term in model]


def predict(terms, row):
    return sum(weight * math.prod(x ** p for x, p in zip(row, powers)) for weight, powers in terms)


def main():
    try:
        model = read_model(os.path.join(os.environ["ERLUA_OUT"], "model.json"))
    except (OSError, ValueError, RecursionError) as problem:
        fail("no model: %s" % problem)
    terms = check_model(model)
    with open(os.path.join(os.environ["ERLUA_DATA"], "test.csv"), newline="") as file:
        rows = [[float(v) for v in row] for row in list(csv.reader(file))[1:]]
    try:
        error = math.sqrt(sum((predict(terms, row[:-1]) - row[-1]) ** 2 for row in rows) / len(rows))
    except OverflowError:
        fail("a prediction is too large")
    if not math.isfinite(error):
        fail("a prediction is too large")
    with open(os.environ["ERLUA_METRICS"], "w") as file:
        json.dump({"test_rmse": error}, file)


main()
