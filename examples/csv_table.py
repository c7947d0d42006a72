"""From a raw table to predictions: numbers and categories in a CSV file, a model, and a second file for predictions.

    python examples/csv_table.py

The table is synthetic: the price of a flat depends on its size, floor, district and balcony.
"""

import csv
import tempfile
from pathlib import Path

import numpy as np

import gpugrad as gg
from gpugrad import data, nn, optim

DISTRICTS = {"harbour": 5200, "old town": 6400, "hill": 4100}


def write_table(path, rows, seed, with_price=True):
    rng = np.random.default_rng(seed)
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["size", "floor", "district", "balcony", *(["price"] if with_price else [])])
        for _ in range(rows):
            size, floor = int(rng.integers(25, 140)), int(rng.integers(0, 7))
            district, balcony = str(rng.choice(list(DISTRICTS))), bool(rng.integers(2))
            price = size * DISTRICTS[district] * (1 + 0.02 * floor) + 9000 * balcony + rng.normal(0, 5000)
            writer.writerow([size, floor, district, balcony, *([round(price)] if with_price else [])])


def main():
    with tempfile.TemporaryDirectory() as folder:
        sold, offered = Path(folder, "sold.csv"), Path(folder, "offered.csv")
        write_table(sold, 1200, seed=0)
        write_table(offered, 5, seed=1, with_price=False)

        # Numbers are standardized, categories one-hot encoded, both from the statistics of the training rows only.
        flats = data.load(sold, target="price")
        print(
            f"{len(flats.x_train)} rows to train, {len(flats.x_test)} to test, features",
            flats.preprocessing.feature_names,
        )

        gg.manual_seed(0)
        model = nn.MLP(flats.n_features, [64, 64], 1, activation="silu")
        trainer = gg.Trainer(model, loss=nn.MSELoss(), optimizer=optim.AdamW(model.parameters(), lr=3e-3), seed=0)
        trainer.fit(flats.x_train, flats.y_train, epochs=60, batch_size=64, validation_split=0.1, early_stopping=10)
        print(f"R² on the test rows: {trainer.evaluate(flats.x_test, flats.y_test)['r2']:.4f}")

        new = data.load_features(offered, flats.preprocessing, n_features=flats.n_features)
        for line, price in zip(
            offered.read_text().splitlines()[1:], flats.preprocessing.inverse_target(trainer.predict(new)), strict=True
        ):
            print(f"{line:<28} {price[0]:>10,.0f}")


if __name__ == "__main__":
    main()
