"""The table behind scripts/bench-detectors: our scores, a windowed Gaussian and a plain EWMA on the same series."""

import csv
import json
import math
import pathlib
import shutil
import subprocess
import sys
import tempfile


def values(path):
    with open(path, newline="") as file:
        return [float(row["value"]) for row in csv.DictReader(file)]


def windowed_gaussian(series, width=2000):
    """Tail probability of each value under the normal distribution of the last `width` values."""
    scores, total, squares = [], 0.0, 0.0
    for i, value in enumerate(series):
        count = min(i, width)
        if count < 2:
            scores.append(0.0)
        else:
            mean = total / count
            deviation = math.sqrt(max(squares / count - mean * mean, 1e-12))
            scores.append(math.erf(abs(value - mean) / deviation / math.sqrt(2)))
        total, squares = total + value, squares + value * value
        if i >= width:
            total, squares = total - series[i - width], squares - series[i - width] ** 2
    return scores


def ewma(series, weight=0.005):
    """Distance from an exponentially weighted mean in deviations, squeezed to 0..1."""
    scores, mean, variance = [], series[0], 0.0
    for i, value in enumerate(series):
        z = abs(value - mean) / math.sqrt(variance) if variance > 0 else 0.0
        scores.append(z / (1 + z))
        w = max(weight, 1 / (i + 1))
        step = value - mean
        mean, variance = mean + w * step, (1 - w) * (variance + w * step * step)
    return scores


def run(scorer, data, preds, *options):
    answer = subprocess.run([sys.executable, scorer, "--data", data, "--preds", preds, "--json", *options],
                            check=True, capture_output=True, text=True)
    return json.loads(answer.stdout)


def crossed(scorer, data, preds, windows, folder):
    """Standard score with each category at the threshold chosen on the others."""
    categories = sorted({name.split("/")[0] for name in windows})
    raw, count = 0.0, sum(len(spans) for spans in windows.values())
    for category in categories:
        thresholds = {}
        for part in ("others", "own"):
            chosen = {n: w for n, w in windows.items() if (n.split("/")[0] == category) == (part == "own")}
            root = folder / f"{category}-{part}"
            root.mkdir(parents=True)
            (root / "data").symlink_to(pathlib.Path(data).resolve() / "data")
            (root / "windows.json").write_text(json.dumps(chosen))
            if part == "others":
                thresholds = run(scorer, str(root), preds)["standard"]["threshold"]
            else:
                raw += run(scorer, str(root), preds, "--threshold", repr(thresholds))["standard"]["raw"]
    return 100 * (raw + count) / (2 * count)


def main():
    binary, data, scorer = sys.argv[1:4]
    windows = json.loads((pathlib.Path(data) / "windows.json").read_text())
    folder = pathlib.Path(tempfile.mkdtemp())
    try:
        print(f"{'detector':20} {'standard':>9} {'low FP':>9} {'low FN':>9} {'crossed':>9}")
        for name, detector in (("sapwood", None), ("windowed Gaussian", windowed_gaussian), ("plain EWMA", ewma)):
            preds = folder / name / "preds"
            for file in windows:
                source, target = pathlib.Path(data) / "data" / file, preds / file
                target.parent.mkdir(parents=True, exist_ok=True)
                if detector is None:
                    with open(target, "w") as out:
                        subprocess.run([binary, "score", str(source)], check=True, stdout=out)
                else:
                    target.write_text("anomaly_score\n" + "".join(f"{s}\n" for s in detector(values(source))))
            result = run(scorer, data, str(preds))
            row = [result[p]["score"] for p in ("standard", "reward_low_FP_rate", "reward_low_FN_rate")]
            row.append(crossed(scorer, data, str(preds), windows, folder / name))
            print(f"{name:20} " + " ".join(f"{figure:9.2f}" for figure in row))
    finally:
        shutil.rmtree(folder)


main()
