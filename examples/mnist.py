"""MNIST: 60,000 images, two epochs, more than 96 % accuracy in seconds on a CPU.

python examples/mnist.py --data-dir FOLDER      a folder with the four IDX files, gzipped or not
python examples/mnist.py                        the folder in GPUGRAD_DATA, or a download into the cache
"""

import argparse

import gpugrad as gg
from gpugrad import data, nn, optim


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir")
    parser.add_argument("--epochs", type=int, default=2)
    options = parser.parse_args()
    mnist = data.load("mnist", data_dir=options.data_dir)

    gg.manual_seed(0)
    model = nn.MLP(784, [128], 10)
    optimizer = optim.Adam(model.parameters(), lr=2e-3)
    trainer = gg.Trainer(model, optimizer=optimizer, schedule=optim.OneCycleLR(optimizer, max_lr=5e-3), seed=0)
    # The images stay bytes on the device; each minibatch is cast and divided by 255 as it is gathered.
    history = trainer.fit(
        mnist.x_train,
        mnist.y_train,
        epochs=options.epochs,
        batch_size=128,
        validation_data=(mnist.x_test, mnist.y_test),
        scale=mnist.scale,
    )
    for record in history:
        print(
            f"epoch {record['epoch']}: training loss {record['train_loss']:.4f}, "
            f"test accuracy {record['validation_accuracy']:.4f}, {record['samples_per_second']:,.0f} images per second"
        )


if __name__ == "__main__":
    main()
